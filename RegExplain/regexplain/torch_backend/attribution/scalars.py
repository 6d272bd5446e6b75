"""The numbers that are explained, each over a region R: weights (D, H, W) in [0, 1], their sum above 0.

Grad-CAM (Selvaraju et al. 2017) and its kin need one number. Ours, as in Seg-Grad-CAM (Vinogradova et al. 2020), are
means over R, so that regions of different size can be compared. All are differentiable functions of plain tensors.
Displacements are (1, 3, D, H, W) in voxels, `spacing` is that of their grid in mm, (x, y, z).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

EPS_MM = 1e-3
AXES = ("left", "posterior", "superior")  # the canvas' x, y, z: the image's own axes in the nearest LPS order


def mean_magnitude(displacement: Tensor, region: Tensor, spacing) -> Tensor:
    """Mean |u| in mm. Smooth at |u| = 0."""
    return mean_over(torch.sqrt((millimetres(displacement, spacing) ** 2).sum(0) + EPS_MM**2), region)


def mean_along(axis: str, displacement: Tensor, region: Tensor, spacing) -> Tensor:
    """Mean of u along one of `AXES` in mm: positive where the arrow, from fixed to moving, points towards it."""
    return mean_over(millimetres(displacement, spacing)[AXES.index(axis)], region)


def synthesis_agreement(synthesised: Tensor, real: Tensor, region: Tensor) -> Tensor:
    """−mean |synthesised − real| of two images (1, 1, D, H, W): 0 where the synthesis is perfect, else below 0."""
    return -mean_over((synthesised - real).abs()[0, 0], region)


def mean_logit(logits: Tensor, region: Tensor) -> Tensor:
    """Mean patch logit (1, 1, d, h, w), each patch weighted by its share of the region; the two grids span one box."""
    return mean_over(logits[0, 0], F.interpolate(region[None, None], logits.shape[2:], mode="area")[0, 0])


def mean_over(values: Tensor, region: Tensor) -> Tensor:
    return (values * region).sum() / region.sum()


def millimetres(displacement: Tensor, spacing) -> Tensor:
    return displacement[0] * displacement.new_tensor(spacing).view(3, 1, 1, 1)


def motion_scalar(name: str) -> Callable[[Tensor, Tensor, object], Tensor]:
    """(displacement, region, spacing) → mm; name: "magnitude" or one of `AXES`."""
    if name == "magnitude":
        return mean_magnitude
    return lambda displacement, region, spacing: mean_along(name, displacement, region, spacing)
