"""Sampling along displacements.

A displacement is (B, 3, D, H, W) in voxels of its own grid, components in the order x, y, z (W, H, D), a pull-back:
`warped(p) = image(p + displacement(p))`. Grids are cell-centred: two grids of different size span the same box.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def identity_grid(shape, like: Tensor) -> Tensor:
    """(1, D, H, W, 3) normalised coordinates (x, y, z in [-1, 1]) of the cell centres of `shape` (D, H, W)."""
    axes = [(torch.arange(n, dtype=like.dtype, device=like.device) * 2 + 1) / n - 1 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1)[None]


def normalised_units(displacement: Tensor) -> Tensor:
    """(B, 3, D, H, W) voxels to (B, D, H, W, 3) normalised units: one voxel is 2 / n."""
    scale = displacement.new_tensor([2.0 / n for n in reversed(displacement.shape[2:])])
    return displacement.permute(0, 2, 3, 4, 1) * scale


def warp(image: Tensor, displacement: Tensor, mode: str = "bilinear", padding: str = "border") -> Tensor:
    """`image` (B, C, D', H', W') at p + displacement(p), on the grid of `displacement`.

    The two grids may differ in resolution; both span the same box.
    """
    points = identity_grid(displacement.shape[2:], displacement) + normalised_units(displacement)
    return sample(image, points, mode, padding)


def sample(image: Tensor, points: Tensor, mode: str = "bilinear", padding: str = "border") -> Tensor:
    """`image` (B, C, D', H', W') at points (B, D, H, W, 3) in normalised coordinates: (B, C, D, H, W)."""
    return F.grid_sample(image, points, mode=mode, padding_mode=padding, align_corners=False)


def displaced(points: Tensor, displacement: Tensor) -> Tensor:
    """p + displacement(p), (B, D', H', W', 3), for points (1, D', H', W', 3), all in normalised coordinates but the
    displacement."""
    units = normalised_units(displacement).permute(0, 4, 1, 2, 3)
    return points + sample(units, points.expand(len(units), -1, -1, -1, -1)).permute(0, 2, 3, 4, 1)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The displacement of p → p + inner(p), then → + outer there."""
    return inner + warp(outer, inner)


def resize_displacement(displacement: Tensor, shape) -> Tensor:
    """The same displacement on a grid of `shape` (D, H, W), in voxels of that grid."""
    scale = displacement.new_tensor(
        [new / old for new, old in zip(reversed(shape), reversed(displacement.shape[2:]), strict=True)]
    )
    return resize(displacement, shape) * scale.view(1, 3, 1, 1, 1)


def resize(field: Tensor, shape) -> Tensor:
    """(B, C, d, h, w), linearly interpolated on a grid of `shape` (D, H, W) that spans the same box; values as they
    are.
    """
    return F.interpolate(field, size=tuple(shape), mode="trilinear", align_corners=False)
