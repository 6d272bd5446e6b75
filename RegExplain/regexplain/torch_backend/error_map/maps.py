"""The error map of a result, on the fixed image's grid."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ...progress import Progress
from ...results.expected_error import (
    BADLY_MM,
    BOUND_NOT_HELD,
    NOT_MEASURED,
    STATES,
    STEP_MM,
    ExpectedError,
    was_measured_on,
)
from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from .cells import cell_pair
from .estimator import CellErrors, Estimator, shipped

WORST_CELLS = 0.02  # of those that can be told: what Grad-CAM is asked about
STAGES = 3


def error_maps(result: RegistrationResult, progress: Progress, estimator: Estimator | None = None) -> ExpectedError:
    """The moving image is warped anew, so that it need not lie in the result."""
    estimator = estimator or shipped()
    progress.report("Expected error", 0, STAGES)
    pair = cell_pair(
        result.fixed,
        result.moving,
        result.transform.itk(),
        result.transform.displacement,
        (result.fixed_mask, result.moving_mask),
    )
    progress.report("Expected error", 1, STAGES)
    found = estimator.estimate(pair)
    progress.report("Expected error", 2, STAGES)
    doubt = None
    if found.told["told"].any():
        doubt = on_fixed(estimator.doubt(found, worst_cells(found)), pair.cells, Grid.of(result.fixed))
    card = estimator.card
    made = ExpectedError(
        *mapped(found, Grid.of(result.fixed)),
        {"name": card["name"], "version": card["version"], "sha256": card["files"]["weights.safetensors"]},
        float(pair.cells.spacing[0]),
        result.fixed_segmentation,
        doubt,
        measured=was_measured_on(result.fixed, result.record),
    )
    if not made.measured:
        made.warnings.append(NOT_MEASURED)
    elif found.told["told"].any() and (median := float(np.median(found.expected[found.told["told"]]))) >= BADLY_MM:
        made.warnings.append(BOUND_NOT_HELD.format(median=median))
    progress.report("Expected error", STAGES, STAGES)
    return made


def worst_cells(found: CellErrors) -> np.ndarray:
    """(d, h, w) bool: where the most is expected."""
    told = found.told["told"]
    return told & (found.expected >= np.quantile(found.expected[told], 1 - WORST_CELLS))


def mapped(found: CellErrors, grid: Grid) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Expected and bound (mm), interpolated between cells that can be told, and which of STATES; on `grid`."""
    cells, told = found.pair.cells, found.told["told"].astype(np.float32)
    states = np.zeros(told.shape, np.uint8)
    for name, code in STATES.items():
        states[found.told[name]] = code
    state = grid.resample(cells.image(states), nearest=True)
    inside = sitk.GetArrayViewFromImage(state) == STATES["told"]
    share = sitk.GetArrayFromImage(grid.resample(cells.image(told)))
    maps = []
    for values in (found.expected, found.bound90):
        sampled = sitk.GetArrayFromImage(grid.resample(cells.image(values * told)))
        smooth = np.where(inside, sampled / np.maximum(share, 1e-3), 0)
        maps.append(grid.image((np.rint(smooth / STEP_MM) * STEP_MM).astype(np.float32)))
    return maps[0], maps[1], state


def on_fixed(values: np.ndarray, cells: Grid, grid: Grid) -> sitk.Image:
    largest = float(np.abs(values).max()) or 1.0
    sampled = sitk.GetArrayFromImage(grid.resample(cells.image((values / largest).astype(np.float32))))
    return grid.image((np.rint(256 * sampled) / 256 * largest).astype(np.float32))
