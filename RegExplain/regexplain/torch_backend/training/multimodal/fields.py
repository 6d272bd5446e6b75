"""Random smooth fields and filters along the axes, as products with small matrices: fast on one thread."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ...spatial.warp import resize


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def normal(generator: torch.Generator, sd: float = 1.0) -> float:
    return sd * torch.randn((), generator=generator).item()


def bernoulli(generator: torch.Generator, probability: float) -> bool:
    return torch.rand((), generator=generator).item() < probability


def apply_along_axis(field: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """`matrix` (M, N) applied along one axis, counted from the end (-1: x), of (…, N, …)."""
    if axis == -1:
        return field @ matrix.T
    if axis == -2:
        return matrix @ field
    moved = field.flatten(-2)
    return (matrix @ moved).reshape(*field.shape[:-3], len(matrix), *field.shape[-2:])


@lru_cache(256)
def gaussian_matrix(size: int, sigma: float) -> Tensor:
    """(N, N), rows that sum to 1."""
    cells = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((cells[:, None] - cells[None]) / sigma) ** 2)
    return weights / weights.sum(1, keepdim=True)


def smooth(field: Tensor, sigma: float) -> Tensor:
    """(…, D, H, W) convolved with a Gaussian of `sigma` cells (rounded to 1/20)."""
    sigma = max(round(sigma * 20) / 20, 0.05)
    for axis in (-3, -2, -1):
        field = apply_along_axis(field, gaussian_matrix(field.shape[axis], sigma), axis)
    return field


def smooth_noise(channels: int, shape, sigma: float, generator: torch.Generator) -> Tensor:
    """(1, C, D, H, W) smoothed normal noise, each channel with a root mean square of 1."""
    noise = smooth(torch.randn(1, channels, *shape, generator=generator), sigma)
    return noise / noise.square().mean((2, 3, 4), keepdim=True).sqrt()


def interpolated_noise(channels: int, shape, spacing: float, generator: torch.Generator) -> Tensor:
    """(1, C, D, H, W), linear between normal numbers at knots about `spacing` cells apart."""
    knots = [max(2, round(n / spacing)) for n in shape]
    return resize(torch.randn(1, channels, *knots, generator=generator), shape)


def slice_profiles(size: int, thickness: float, offset: float) -> Tensor:
    """(N, N): means over slices of `thickness` cells, the first one's middle at `offset`, and linear between them."""
    cells = torch.arange(size, dtype=torch.float32)
    middles = torch.arange(offset, size, thickness)
    profile = (thickness / 2 + 0.5 - (cells[None] - middles[:, None]).abs()).clamp(0, 1)
    profile = profile / profile.sum(1, keepdim=True)
    between = (1 - (cells[:, None] - middles[None]).abs() / thickness).clamp(min=0)
    return between / between.sum(1, keepdim=True) @ profile
