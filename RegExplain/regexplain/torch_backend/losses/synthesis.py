"""Synthesis of one modality from the other (FIRE, Wang et al. 2019): its accuracy, feature, cycle and alignment terms.

The paper names the terms; norms and the scaling of features are ours. Images are (B, 1, D, H, W) in [0, 1], features
lists of levels (B, C, d, h, w) that span the same box. `weight` (B, 1, D, H, W), 0 or more: where a term counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..spatial.warp import resize, resize_displacement, warp
from .weighting import weighted_mean


def accuracy_loss(synthesised: Tensor, real: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the synthesised and the real image of the other modality; 0 to 1."""
    return weighted_mean((synthesised - real).abs(), weight)


def cycle_loss(returned: Tensor, original: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of an image and what came back of it through the other modality; 0 to 1."""
    return weighted_mean((returned - original).abs(), weight)


def feature_loss(
    of_synthesised: Sequence[Tensor], of_real: Sequence[Tensor], weight: Tensor | None = None, power: int = 1
) -> Tensor:
    """Mean over levels of how far G's features of the synthesised image are from those of the real one, in SDs.

    power: 1 for absolute differences in SDs, 2 for squared ones in variances. A channel's variance is that of both
    sides together, so smaller or shifted features, on one side or both, gain nothing. Squared, 0 is equal, 2
    unrelated and 4 opposite.
    """
    levels = [_distance(a, b, weight, power) for a, b in zip(of_synthesised, of_real, strict=True)]
    return sum(levels[1:], levels[0]) / len(levels)


def alignment_loss(
    moving: Sequence[Tensor],
    displacement: Tensor,
    fixed: Sequence[Tensor],
    weight: Tensor | None = None,
    power: int = 1,
) -> Tensor:
    """`feature_loss` of G's features of the moving image, warped, and of the fixed one.

    displacement: (B, 3, D, H, W), pull-back fixed → moving in voxels of any grid over the same box.
    """
    warped = [warp(level.float(), resize_displacement(displacement, level.shape[2:])) for level in moving]
    return feature_loss(warped, fixed, weight, power)


def _distance(a: Tensor, b: Tensor, weight: Tensor | None, power: int, eps: float = 1e-12) -> Tensor:
    """One level. eps, of the variance: below what 32-bit features of ordinary size can distinguish from a constant."""
    a, b = a.float(), b.float()
    counts = a.new_ones(len(a), 1, *a.shape[2:]) if weight is None else resize(weight.float(), a.shape[2:])
    total = (2 * counts.sum()).clamp_min(1e-6)

    def mean(x: Tensor, y: Tensor) -> Tensor:
        return ((x + y) * counts).sum((0, 2, 3, 4), keepdim=True) / total

    centre = mean(a, b)
    variance = mean((a - centre) ** 2, (b - centre) ** 2) + eps
    difference = (a - b) ** 2 / variance if power == 2 else (a - b).abs() / variance.sqrt()
    return weighted_mean(difference, counts)
