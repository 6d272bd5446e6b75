"""Numbers of two maps, and their estimates over many pairs.

Maps are (D, H, W) tensors, compared where `inside` > 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from .claim import RESAMPLES, SEED, bootstrap_mean

TOP = 0.2  # the share of a map's voxels that its top fifth is
LOW, HIGH = 2.5, 97.5  # percent: the bounds of an interval


class Estimate(NamedTuple):
    """A value over so many pairs with its 95 % bootstrap interval over them; NaN where there is none."""

    value: float
    low: float
    high: float
    pairs: int

    def columns(self, name: str) -> dict[str, float]:
        """Three columns of a table."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    def text(self, unit: str = "") -> str:
        if np.isnan(self.value):
            return "not defined"
        return f"{self.value:.3g}{unit} [{self.low:.3g}, {self.high:.3g}]"


NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0)


def correlation(a: Tensor, b: Tensor, inside: Tensor) -> float:
    """Pearson's; NaN where one of the maps is constant, as the maps of an identical pair are."""
    x, y = (_values(m, inside) for m in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")


def top_overlap(a: Tensor, b: Tensor, inside: Tensor, share: float = TOP) -> float:
    """Dice of the highest `share` of each; of unrelated maps it is `share` on average. NaN where one is constant."""
    x, y = (_values(m, inside) for m in (a, b))
    if not (np.ptp(x) and np.ptp(y)):
        return float("nan")
    count = max(1, round(share * len(x)))
    tops = [set(np.argpartition(-m, count - 1)[:count].tolist()) for m in (x, y)]
    return len(tops[0] & tops[1]) / count


def divergence(a: Tensor, b: Tensor, inside: Tensor) -> float:
    """Σ|a − b| / Σ(|a| + |b|): 0 for the same map, 1 for maps that share nothing or contradict each other."""
    x, y = (_values(m, inside) for m in (a, b))
    whole = float((np.abs(x) + np.abs(y)).sum())
    return float(np.abs(x - y).sum()) / whole if whole > 0 else float("nan")


def mean_of(values: Sequence[float]) -> Estimate:
    """The mean of the values that there are (a constant map has none)."""
    finite = np.array([value for value in values if np.isfinite(value)], float)
    return Estimate(float(finite.mean()), *bootstrap_mean(finite), len(finite)) if len(finite) else NOTHING


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's; NaN for fewer than three values, or where all are the same."""
    finite = np.isfinite(np.array([x, y], float)).all(0)
    first, second = (_ranks(np.asarray(values, float)[finite]) for values in (x, y))
    if len(first) < 3 or not (np.ptp(first) and np.ptp(second)):
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def rank_correlation_over(pairs: Sequence[str], x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Spearman's over all rows; the bootstrap resamples whole pairs, as rows of one pair are not independent."""
    names, owner = np.unique(np.asarray(pairs), return_inverse=True)
    rows = [np.flatnonzero(owner == k) for k in range(len(names))]
    first, second = np.asarray(x, float), np.asarray(y, float)

    def of(chosen_pairs: np.ndarray) -> float:
        chosen = np.concatenate([rows[k] for k in chosen_pairs])
        return rank_correlation(first[chosen].tolist(), second[chosen].tolist())

    return _bootstrapped(of, len(names))


def rank_correlation_within(pairs: Sequence[str], x: Sequence[float], y: Sequence[float]) -> Estimate:
    """The mean over the pairs of Spearman's among each pair's own rows: no pair's own level plays a part."""
    owner = np.asarray(pairs)
    first, second = np.asarray(x, float), np.asarray(y, float)
    return mean_of(
        [rank_correlation(first[owner == p].tolist(), second[owner == p].tolist()) for p in dict.fromkeys(pairs)]
    )


def area(at: Sequence[float], values: Sequence[float]) -> float:
    """Under a curve of straight pieces, a share of its width."""
    x, y = np.asarray(at, float), np.asarray(values, float)
    return float(((y[1:] + y[:-1]) / 2 * np.diff(x)).sum() / (x[-1] - x[0]))


def _bootstrapped(of: Callable[[np.ndarray], float], count: int) -> Estimate:
    random = np.random.default_rng(SEED)
    samples = [of(random.integers(count, size=count)) for _ in range(RESAMPLES // 4)]
    finite = [value for value in samples if np.isfinite(value)]
    low, high = np.percentile(finite, (LOW, HIGH)) if finite else (float("nan"),) * 2
    return Estimate(of(np.arange(count)), float(low), float(high), count)


def _values(values: Tensor, inside: Tensor) -> np.ndarray:
    return values[inside > 0.5].double().cpu().numpy()


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 0; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts + 1) / 2)[place]
