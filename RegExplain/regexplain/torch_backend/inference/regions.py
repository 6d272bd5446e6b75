"""The structures that a network itself takes an image to show."""

from __future__ import annotations

import SimpleITK as sitk
import torch

from ..spatial.warp import grown
from .model import Model, Seen


@torch.inference_mode()
def regions(model: Model, seen: Seen) -> sitk.Image | None:
    """A label map (uint8) on the canvas, numbered as the card's `"segments"`: of each voxel the structure that the
    network's read-out holds likeliest there, 0 where it holds none likely. None where it was not taught any by name."""
    names = model.card.structures
    logits = model.network.told(seen.features) if names else None
    if logits is None or logits.shape[1] != len(names):
        return None
    likeliest, number = grown(logits, seen.volume.shape[2:])[0].max(0)
    return seen.canvas.image(torch.where(likeliest > 0, number + 1, 0).byte().cpu().numpy())
