"""How well a network registers cases with known segmentations, on the canvas."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...networks.latent import RegistrationOutput
from ...spatial.warp import warp
from .cases import Case


def hard_dice(a: Tensor, b: Tensor) -> float:
    """Mean over the channels of 2|A∩B| / (|A| + |B|) of two (L, D, H, W) maps, each thresholded at one half."""
    a, b = a > 0.5, b > 0.5
    both = 2 * (a & b).sum((1, 2, 3))
    return float((both / (a.sum((1, 2, 3)) + b.sum((1, 2, 3))).clamp_min(1)).mean())


@torch.no_grad()
def mean_dice(
    network: Callable[[Tensor, Tensor], RegistrationOutput], cases: list[Case], device: torch.device | str = "cpu"
) -> float:
    """Mean Dice over the pairs fixed = case k, moving = case n−1−k."""
    scores = []
    for fixed, moving in zip(cases, reversed(cases), strict=True):
        output = network(fixed.volume[None].to(device), moving.volume[None].to(device))
        scores.append(hard_dice(warp(moving.segments[None], output.displacement.cpu())[0], fixed.segments))
    return sum(scores) / len(scores)
