"""The network's own segmentation of an image, by the names on its card."""

from __future__ import annotations

import SimpleITK as sitk
import torch

from ..spatial.warp import resize
from .model import EncodedImage, Model


@torch.inference_mode()
def regions(model: Model, encoded: EncodedImage) -> tuple[sitk.Image, dict[int, str]] | None:
    """A label map (uint8) on the canvas, and the names of its labels, the card's `"segments"`: the likeliest structure
    of each voxel, 0 where none is likelier than not. None for a network that has no named structures."""
    names = model.card.structures
    logits = model.network.segmentation_logits(encoded.features) if names else None
    if logits is None or logits.shape[1] != len(names):
        return None
    likeliest, number = resize(logits, encoded.volume.shape[2:])[0].max(0)
    return encoded.canvas.image(torch.where(likeliest > 0, number + 1, 0).byte().cpu().numpy()), names
