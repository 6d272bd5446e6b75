"""The mean image of a cohort in its mean shape: an unbiased template, and the fixed image of a next run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..progress import Progress
from ..transforms.itk import displacement_transform, resample_displacement, to_displacement_field
from ..volumes.geometry import Grid
from ..volumes.intensities import robust_rescale
from .fields import Space, deformation

ROUNDS = 8  # of the logarithm; it stops earlier
TOLERANCE_MM = 0.01
STEP = 0.5  # of the smallest spacing: the longest first step of an exponential


def exponential(velocity: np.ndarray, grid: Grid) -> np.ndarray:
    """(z, y, x, 3), mm: where a stationary velocity takes points in unit time, by scaling and squaring."""
    longest = float(np.linalg.norm(velocity, axis=-1).max())
    squarings = max(0, int(np.ceil(np.log2(max(longest / (STEP * min(grid.spacing)), 1.0)))))
    field = velocity / 2**squarings
    for _ in range(squarings):
        field = field + _at(field, field, grid)
    return field


def logarithm(displacement: np.ndarray, grid: Grid) -> np.ndarray:
    """The stationary velocity whose exponential is that displacement; both (z, y, x, 3), mm, of points of `grid`.

    By the first term of the Baker-Campbell-Hausdorff series (Bossa, Hernandez, Olmos 2007): what is left after going
    back along the velocity is added to it, until it is less than TOLERANCE_MM on average."""
    velocity = displacement.copy()
    for _ in range(ROUNDS):
        back = exponential(-velocity, grid)
        rest = back + _at(displacement, back, grid)
        velocity = velocity + rest
        if np.linalg.norm(rest, axis=-1).mean() < TOLERANCE_MM:
            break
    return velocity


def mean_shape(folders: Sequence[Path], space: Space, progress: Progress) -> np.ndarray:
    """(z, y, x, 3), mm, on the grid of the space: the mean of the pairs' logarithms, a velocity."""
    grid, total = space.grid, np.zeros((*space.grid.size[::-1], 3))
    for index, folder in enumerate(folders):
        progress.report("Finding the mean shape", index, len(folders))
        total += logarithm(sitk.GetArrayFromImage(to_displacement_field(deformation(folder, grid), grid)), grid)
    return total / len(folders)


def mean_image(folders: Sequence[Path], space: Space, velocity: np.ndarray) -> sitk.Image:
    """The pairs' moving images, each scaled to [0, 1] and brought onto the fixed image, their mean, in the mean shape.

    On the fixed image's own grid; the velocity on that of the space."""
    fixed_grid = Grid.of(space.first.fixed)
    total = np.zeros(fixed_grid.size[::-1], np.float32)
    for folder in folders:
        total += robust_rescale(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "warped_moving.nii.gz"))))
    back = space.grid.image(exponential(-velocity, space.grid), vector=True)
    mean = fixed_grid.image(total / np.float32(len(folders)))
    return fixed_grid.resample(mean, displacement_transform(resample_displacement(back, fixed_grid)))


def _at(field: np.ndarray, where: np.ndarray, grid: Grid) -> np.ndarray:
    """`field` at x + where(x) for each point x of the grid."""
    image, transform = (grid.image(array, vector=True) for array in (field, where))
    return sitk.GetArrayFromImage(resample_displacement(image, grid, displacement_transform(transform)))
