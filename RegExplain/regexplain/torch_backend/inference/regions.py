"""The structures that a network itself takes an image to show."""

from __future__ import annotations

import SimpleITK as sitk
import torch

from ..spatial.warp import resize
from .model import EncodedImage, Model


@torch.inference_mode()
def regions(model: Model, encoded: EncodedImage) -> sitk.Image | None:
    """A label map (uint8) on the canvas, numbered as the card's `"segments"`: of each voxel the structure that the
    network's read-out holds likeliest there, 0 where it holds none likely. None where it was not taught any by name."""
    names = model.card.structures
    logits = model.network.segmentation_logits(encoded.features) if names else None
    if logits is None or logits.shape[1] != len(names):
        return None
    likeliest, number = resize(logits, encoded.volume.shape[2:])[0].max(0)
    return encoded.canvas.image(torch.where(likeliest > 0, number + 1, 0).byte().cpu().numpy())
