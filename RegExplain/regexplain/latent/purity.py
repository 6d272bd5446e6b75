"""How few latent components answer to one known motion (Estienne et al. 2021, experiment 3), as numbers.

All are of s, the median size of the change |Δa_j| of each component's coordinate over the cases, in the latent space's
own units (not standard deviations: those would make a weak component's noise as large as a strong one's answer).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ACTIVE = 0.5  # of the strongest component's answer


@dataclass(frozen=True)
class Measure:
    """A value and the interval that holds it in 95 % of bootstrap samples of the cases."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Purity:
    strongest_share: Measure
    participation_ratio: Measure
    active: Measure


def strongest_share(s: np.ndarray) -> np.ndarray:
    """max s / Σ s over the last axis: 1 where one component does everything, 1 / K where all do alike."""
    return s.max(-1) / s.sum(-1)


def participation_ratio(s: np.ndarray) -> np.ndarray:
    """(Σ s)² / Σ s² over the last axis: 1 for one component, k for k that answer alike."""
    return s.sum(-1) ** 2 / (s**2).sum(-1)


def active(s: np.ndarray) -> np.ndarray:
    """The number of components that answer at least half as strongly as the strongest, over the last axis."""
    return (s >= ACTIVE * s.max(-1, keepdims=True)).sum(-1)


def purity(changes: np.ndarray, resamples: int = 2000, seed: int = 0) -> Purity:
    """The three measures of one motion's `changes` (cases, K), signed or not, each with its bootstrap interval.

    Cases are drawn with replacement, medians taken anew; the interval is from the 2.5th to the 97.5th percentile.
    Raises ValueError where nothing changes, as no component is the strongest then.
    """
    sizes = np.abs(np.asarray(changes, float))
    if not np.median(sizes, 0).any():
        raise ValueError("No component changes under this motion; there is nothing to compare.")
    random = np.random.default_rng(seed)
    drawn = (random.integers(len(sizes), size=len(sizes)) for _ in range(resamples))
    medians = np.stack([np.median(sizes[cases], 0) for cases in drawn])
    return Purity(*(_measured(measure, sizes, medians) for measure in (strongest_share, participation_ratio, active)))


def _measured(measure: Callable[[np.ndarray], np.ndarray], sizes: np.ndarray, medians: np.ndarray) -> Measure:
    low, high = np.percentile(measure(medians[medians.any(-1)]), (2.5, 97.5))
    return Measure(float(measure(np.median(sizes, 0))), float(low), float(high))
