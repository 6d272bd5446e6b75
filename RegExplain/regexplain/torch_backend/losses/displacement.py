"""Displacements (B, 3, D, H, W) in voxels, x, y, z, against ones that are known."""

from __future__ import annotations

from torch import Tensor

from .weighting import weighted_mean


def displacement_loss(predicted: Tensor, truth: Tensor, weight: Tensor | None = None, eps: float = 0.01) -> Tensor:
    """Mean end-point error, voxels: √(|predicted − truth|² + eps²) − eps, 0 and smooth where they agree.

    weight: (B, 1, D, H, W), 0 or more; where it is 0 the truth is not known. eps: voxels, the error below which the
    cost is quadratic; a larger one costs at most eps less than its length.
    """
    squared = (predicted - truth).square().sum(1, keepdim=True)
    return weighted_mean((squared + eps**2).sqrt() - eps, weight)
