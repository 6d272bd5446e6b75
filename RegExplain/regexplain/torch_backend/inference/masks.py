"""Where two images count, on a model's canvas."""

from __future__ import annotations

import SimpleITK as sitk
import torch
from torch import Tensor

from ...volumes.geometry import Grid

Masks = tuple[sitk.Image | None, sitk.Image | None]


def masks_on(canvas: Grid, masks: Masks, alignment: sitk.Transform) -> Tensor | None:
    """(2, 1, D, H, W): 1 within the masks of fixed and of moving; None without any."""
    if masks == (None, None):
        return None
    sides = []
    for mask, transform in zip(masks, (None, alignment), strict=True):
        if mask is None:
            sides.append(torch.ones(canvas.size[::-1]))
        else:
            inside = canvas.resample(sitk.Cast(mask > 0, sitk.sitkFloat32), transform, nearest=True)
            sides.append(torch.from_numpy(sitk.GetArrayFromImage(inside)))
    return torch.stack(sides)[:, None]
