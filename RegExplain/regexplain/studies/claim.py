"""A claim of a paper beside what was measured here, judged by a stated criterion that the numbers decide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sections import Row

RESAMPLES, SEED = 2000, 0


@dataclass(frozen=True)
class Claim:
    claim: str
    paper: str
    ours: str
    criterion: str
    verdict: str
    computed_from: str

    def row(self, command: str) -> Row:
        """command: the one that computes it."""
        return {**vars(self), "command": command}


def verdict_of(holds: bool) -> str:
    return "holds" if holds else "does not hold"


def bootstrap_mean(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of (N,)."""
    indices = np.random.default_rng(SEED).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[indices].mean(1), (2.5, 97.5))
    return float(low), float(high)
