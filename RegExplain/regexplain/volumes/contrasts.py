"""Whether two scans that lie on each other are of one contrast, by their intensities alone."""

from __future__ import annotations

import numpy as np

from .geometry import subsampling_step
from .intensities import tissue_threshold

SAMPLED = 200_000  # voxels: more say no more
BINS = 32
MIN_RANK_CORRELATION = -0.1  # rank correlation: one is dark where the other is bright
MAX_EXCESS = 0.15  # of the variance of ranks: more than any pair of one contrast has, less than any of two (below)


def same_contrast(fixed: np.ndarray, moving: np.ndarray) -> bool:
    """fixed, moving: (z, y, x) on one grid. True too where they have too little in common to tell.

    Two scans of one contrast are bright and dark in the same order. In two contrasts one intensity tells the other
    without their order being the same (correlation ratio of ranks far above the squared rank correlation), or with it
    turned round. Of T1, T2 and FLAIR of one head the excess is 0.25 or more, or the order turned; of one contrast at
    most 0.07, registered or not, of one patient or two.
    """
    step = subsampling_step(fixed.shape, SAMPLED)
    samples = [array[::step, ::step, ::step].astype(np.float32) for array in (fixed, moving)]
    inside = (samples[0] > tissue_threshold(samples[0])) & (samples[1] > tissue_threshold(samples[1]))
    if np.count_nonzero(inside) < BINS**2:
        return True
    first, second = (_ranks(array[inside]) for array in samples)
    order = float(np.corrcoef(first, second)[0, 1])
    ratio = max(_correlation_ratio(first, second), _correlation_ratio(second, first))
    return order > MIN_RANK_CORRELATION and ratio - order**2 < MAX_EXCESS


def _ranks(values: np.ndarray) -> np.ndarray:
    """In [0, 1)."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values)


def _correlation_ratio(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation ratio: the share of the variance of `second` that the bin of `first` tells; both ranks."""
    bins = (first * BINS).astype(int)
    counts = np.maximum(np.bincount(bins, minlength=BINS), 1)
    means = np.bincount(bins, second, BINS) / counts
    return float((counts * (means - second.mean()) ** 2).sum() / ((second - second.mean()) ** 2).sum())
