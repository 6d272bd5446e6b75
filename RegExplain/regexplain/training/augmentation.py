"""Random motions and contrasts, drawn for each volume on its own: a pair learns the motion between its two."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spatial.warp import warp
from .config import Augmentation

KNOT_SPACING_VOX = 8


def affine_displacement(matrix: Tensor, translation: Tensor, shape) -> Tensor:
    """(B, 3, D, H, W) voxels of p → matrix · (p − centre) + centre + translation; x, y, z."""
    axes = [torch.arange(n, dtype=matrix.dtype) - (n - 1) / 2 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    points = torch.stack([x, y, z]).reshape(3, -1)
    moved = (matrix - torch.eye(3)) @ points + translation[:, :, None]
    return moved.reshape(-1, 3, *shape)


def random_affine(count: int, config: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` matrices (N, 3, 3) of rotation and zoom, and translations (N, 3) in voxels."""
    angles = torch.randn(count, 3, generator=generator) * math.radians(config.rotation_deg)
    zoom = torch.exp(torch.randn(count, 3, generator=generator) * config.log_zoom)
    cross = torch.zeros(count, 3, 3)
    for a, (i, j) in enumerate(((2, 1), (0, 2), (1, 0))):
        cross[:, i, j], cross[:, j, i] = angles[:, a], -angles[:, a]
    return torch.linalg.matrix_exp(cross) * zoom[:, None, :], torch.randn(
        count, 3, generator=generator
    ) * config.translation_vox


def random_bending(count: int, shape, config: Augmentation, generator: torch.Generator) -> Tensor:
    """(N, 3, D, H, W) voxels, linear between knots of normal numbers."""
    knots = [max(2, n // KNOT_SPACING_VOX) for n in shape]
    drawn = torch.randn(count, 3, *knots, generator=generator) * config.bending_vox
    return F.interpolate(drawn, size=tuple(shape), mode="trilinear", align_corners=False)


def augmented(
    volumes: Tensor, segments: Tensor, config: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(N, 1, D, H, W) and (N, L, D, H, W), each of the N moved and re-contrasted on its own."""
    matrix, translation = random_affine(len(volumes), config, generator)
    displacement = affine_displacement(matrix, translation, volumes.shape[2:])
    if config.bending_vox:
        displacement = displacement + random_bending(len(volumes), volumes.shape[2:], config, generator)
    moved = warp(torch.cat([volumes, segments], 1), displacement, padding="zeros")
    gamma = torch.exp(torch.randn(len(volumes), 1, 1, 1, 1, generator=generator) * config.log_gamma)
    return moved[:, :1].clamp(0, 1) ** gamma, moved[:, 1:]
