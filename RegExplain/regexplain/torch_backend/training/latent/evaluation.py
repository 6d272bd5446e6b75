"""How well a network registers cases with known segmentations, on the canvas."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

from ...networks.latent import RegistrationNetwork, RegistrationOutput
from ...spatial.warp import resize, warp
from .cases import Case


def hard_dice(a: Tensor, b: Tensor) -> float:
    """Mean over the channels of 2|A∩B| / (|A| + |B|) of two (L, D, H, W) maps, each thresholded at one half."""
    a, b = a > 0.5, b > 0.5
    both = 2 * (a & b).sum((1, 2, 3))
    return float((both / (a.sum((1, 2, 3)) + b.sum((1, 2, 3))).clamp_min(1)).mean())


@torch.no_grad()
def segmentation_dice(network: RegistrationNetwork, cases: list[Case], device: torch.device | str = "cpu") -> float:
    """Mean Dice of the segmentation that the network predicts from each case alone, at the logits' resolution."""
    scores = []
    for case in cases:
        logits = network.segmentation_logits(network.encoder(case.volume[None].to(device)))
        assert logits is not None, "a network without segments predicts none"
        scores.append(hard_dice(resize(logits.sigmoid().cpu(), case.segments.shape[1:])[0], case.segments))
    return sum(scores) / len(scores)


def registered_dice(output: RegistrationOutput, fixed: Case, moving: Case) -> float:
    """Of the moving case's segments, warped by a registration of the two, with the fixed case's."""
    return hard_dice(warp(moving.segments[None], output.displacement.cpu())[0], fixed.segments)


@torch.no_grad()
def mean_dice(
    network: Callable[[Tensor, Tensor], RegistrationOutput], cases: list[Case], device: torch.device | str = "cpu"
) -> float:
    """Mean Dice over the ordered pairs of cases that are an odd number of places apart: n² / 2 of n cases."""
    scores = []
    for fixed, moving in permutations(range(len(cases)), 2):
        if (fixed + moving) % 2:
            a, b = cases[fixed], cases[moving]
            output = network(a.volume[None].to(device), b.volume[None].to(device))
            scores.append(registered_dice(output, a, b))
    return sum(scores) / len(scores)
