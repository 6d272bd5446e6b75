"""Inverse consistency of two displacements (B, 3, D, H, W) in voxels of one grid, x, y, z, both pull-backs.

A point that leaves the box is taken back by the displacement at its border.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..spatial.warp import compose


def inverse_consistency_loss(forward: Tensor, inverse: Tensor) -> Tensor:
    """Mean of |inverse∘forward − identity|² and |forward∘inverse − identity|², voxels²; 0 if they undo each other."""
    there = compose(inverse, forward).square().sum(1).mean()
    back = compose(forward, inverse).square().sum(1).mean()
    return (there + back) / 2


def inverse_consistency_error(forward: Tensor, inverse: Tensor, spacing: Sequence[float]) -> Tensor:
    """(B, D, H, W), mm: how far from each point its way there and back ends. spacing: mm a voxel along x, y, z.

    To measure with, not to descend: a length has no slope at 0.
    """
    millimetres = forward.new_tensor(list(spacing)).view(1, 3, 1, 1, 1)
    return (compose(inverse, forward) * millimetres).norm(dim=1)
