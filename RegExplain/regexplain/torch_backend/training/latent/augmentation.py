"""Random motions and contrasts, independent for each volume, so that a pair has a motion between its two."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...spatial.warp import resize, warp
from .config import Augmentation

BENDING_KNOTS_VOX = 8
BIAS_KNOTS_VOX = 16


def affine_displacement(matrix: Tensor, translation: Tensor, shape) -> Tensor:
    """(B, 3, D, H, W) voxels of p → matrix · (p − centre) + centre + translation; x, y, z."""
    axes = [torch.arange(n, dtype=matrix.dtype) - (n - 1) / 2 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    points = torch.stack([x, y, z]).reshape(3, -1)
    moved = (matrix - torch.eye(3)) @ points + translation[:, :, None]
    return moved.reshape(-1, 3, *shape)


def random_affine(count: int, config: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`count` matrices (N, 3, 3) of rotation and zoom, and translations (N, 3) in voxels."""
    reach = torch.exp(torch.randn(count, 1, generator=generator) * config.log_reach)
    angles = torch.randn(count, 3, generator=generator) * math.radians(config.rotation_deg) * reach
    zoom = torch.exp(torch.randn(count, 3, generator=generator) * config.log_zoom * reach)
    cross = torch.zeros(count, 3, 3)
    for a, (i, j) in enumerate(((2, 1), (0, 2), (1, 0))):
        cross[:, i, j], cross[:, j, i] = angles[:, a], -angles[:, a]
    translation = torch.randn(count, 3, generator=generator) * config.translation_vox * reach
    return torch.linalg.matrix_exp(cross) * zoom[:, None, :], translation


def random_smooth(count: int, channels: int, shape, spacing: int, generator: torch.Generator) -> Tensor:
    """(N, C, D, H, W), linear between normal numbers at knots `spacing` voxels apart."""
    knots = [max(2, n // spacing) for n in shape]
    return resize(torch.randn(count, channels, *knots, generator=generator), shape)


def augment(
    volumes: Tensor, segments: Tensor, config: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(N, 1, D, H, W) and (N, L, D, H, W), each of the N moved and re-contrasted on its own."""
    count, shape = len(volumes), volumes.shape[2:]
    displacement = affine_displacement(*random_affine(count, config, generator), shape)
    if config.bending_vox:
        displacement = displacement + config.bending_vox * random_smooth(count, 3, shape, BENDING_KNOTS_VOX, generator)
    moved = warp(torch.cat([volumes, segments], 1), displacement, padding="zeros")
    if config.mirrored:
        mirror = torch.rand(count, 1, 1, 1, 1, generator=generator) < config.mirrored
        moved = torch.where(mirror, moved.flip(-1), moved)
    return augment_intensities(moved[:, :1].clamp(0, 1), config, generator), moved[:, 1:]


def augment_intensities(volumes: Tensor, config: Augmentation, generator: torch.Generator) -> Tensor:
    """(N, 1, D, H, W) in [0, 1] with another gamma, bias and noise each, in [0, 1] again."""
    count = len(volumes)
    volumes = volumes ** torch.exp(torch.randn(count, 1, 1, 1, 1, generator=generator) * config.log_gamma)
    if config.log_bias:
        bias = random_smooth(count, 1, volumes.shape[2:], BIAS_KNOTS_VOX, generator)
        volumes = volumes * torch.exp(config.log_bias * bias)
    if config.noise:
        level = torch.randn(count, 1, 1, 1, 1, generator=generator) * config.noise
        volumes = volumes + level * torch.randn(volumes.shape, generator=generator)
    if config.low_resolution:
        volumes = lower_resolution(volumes, config.low_resolution, generator)
    return volumes.clamp(0, 1)


def lower_resolution(volumes: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """(N, 1, D, H, W), a `share` of the N downsampled by a factor between 1 and 2, and upsampled again."""
    factors = torch.where(
        torch.rand(len(volumes), generator=generator) < share, 1 + torch.rand(len(volumes), generator=generator), 1
    )
    shape = volumes.shape[2:]
    coarse = [[max(2, round(n / factor)) for n in shape] for factor in factors.tolist()]
    return torch.cat([resize(resize(v[None], n), shape) for v, n in zip(volumes, coarse, strict=True)])
