"""The inverse of a displacement field that came without one, found numerically."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .geometry import Grid
from .transforms import displacement_transform, extended_sample

TOLERANCE_MM = 1e-3
MOST_STEPS = 30
PATIENCE = 3  # steps, time enough to halve a step that overshoots
STALLED = 0.9  # of the mean error so many steps ago: what falls less is as good as it gets


def inverted(displacement: sitk.Image) -> sitk.Image:
    """w with w(q) = −u(q + w(q)), so that x = q + w(q) is the point that u takes to q; float32, on the grid of u.

    displacement: u, a vector image in mm; beyond its box its border values count. Fixed-point steps, halved wherever
    one would make it worse. Where u folds there is no inverse, and w is the nearest that was found.
    """
    grid = Grid.of(displacement)

    def missed(found: np.ndarray) -> np.ndarray:
        """(z, y, x, 3) mm: how far from q the point q + found ends."""
        there = displacement_transform(grid.image(found, vector=True))
        return found + sitk.GetArrayFromImage(extended_sample(displacement, grid, there)).astype(np.float32)

    found = np.zeros((*grid.size[::-1], 3), np.float32)
    error, step = missed(found), np.ones((*found.shape[:3], 1), np.float32)
    means: list[float] = []
    for _ in range(MOST_STEPS):
        length = np.linalg.norm(error, axis=-1, keepdims=True)
        means.append(float(length.mean()))
        stalled = len(means) > PATIENCE and means[-1] > STALLED * means[-1 - PATIENCE]
        if length.max() < TOLERANCE_MM or stalled:
            break
        trial = found - step * error
        ends = missed(trial)
        better = np.linalg.norm(ends, axis=-1, keepdims=True) < length
        found, error = np.where(better, trial, found), np.where(better, ends, error)
        step = np.where(better, np.minimum(1, 1.5 * step), step / 2)
    return grid.image(found, vector=True)
