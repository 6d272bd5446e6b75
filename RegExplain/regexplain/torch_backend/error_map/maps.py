"""The error map of a result, on the fixed image's grid."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ...progress import Progress
from ...results.expected_error import (
    BOUND_NOT_HELD,
    LARGE_MEDIAN_MM,
    NOT_MEASURED,
    STATES,
    STEP_MM,
    ExpectedError,
    is_like_measured_images,
)
from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from .cells import cell_pair
from .estimator import CellErrors, Estimator, shipped

WORST_CELL_SHARE = 0.02  # of the cells with an estimate: what Grad-CAM explains
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
    errors = estimator.estimate(pair)
    progress.report("Expected error", 2, STAGES)
    attribution, estimated = None, errors.masks["estimated"]
    if estimated.any():
        attribution = resample_attribution(
            estimator.attribution(errors, worst_cells(errors)), pair.cells, Grid.of(result.fixed)
        )
    card = estimator.card
    error_map = ExpectedError(
        *resample_errors(errors, Grid.of(result.fixed)),
        {"name": card["name"], "version": card["version"], "sha256": card["files"]["weights.safetensors"]},
        float(pair.cells.spacing[0]),
        result.fixed_segmentation,
        attribution,
        measured=is_like_measured_images(result.fixed, result.record),
    )
    if not error_map.measured:
        error_map.warnings.append(NOT_MEASURED)
    elif estimated.any() and (median := float(np.median(errors.expected[estimated]))) >= LARGE_MEDIAN_MM:
        error_map.warnings.append(BOUND_NOT_HELD.format(median=median))
    progress.report("Expected error", STAGES, STAGES)
    return error_map


def worst_cells(errors: CellErrors) -> np.ndarray:
    """(d, h, w) bool: where the most is expected."""
    estimated = errors.masks["estimated"]
    return estimated & (errors.expected >= np.quantile(errors.expected[estimated], 1 - WORST_CELL_SHARE))


def resample_errors(errors: CellErrors, grid: Grid) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Expected and bound (mm), interpolated between the cells that have an estimate, and which of STATES; on `grid`."""
    cells, estimated = errors.pair.cells, errors.masks["estimated"].astype(np.float32)
    states = np.zeros(estimated.shape, np.uint8)
    for name, code in STATES.items():
        states[errors.masks[name]] = code
    state = grid.resample(cells.image(states), nearest=True)
    inside = sitk.GetArrayViewFromImage(state) == STATES["estimated"]
    share = sitk.GetArrayFromImage(grid.resample(cells.image(estimated)))
    maps = []
    for values in (errors.expected, errors.bound90):
        sampled = sitk.GetArrayFromImage(grid.resample(cells.image(values * estimated)))
        smooth = np.where(inside, sampled / np.maximum(share, 1e-3), 0)
        maps.append(grid.image((np.rint(smooth / STEP_MM) * STEP_MM).astype(np.float32)))
    return maps[0], maps[1], state


def resample_attribution(values: np.ndarray, cells: Grid, grid: Grid) -> sitk.Image:
    largest = float(np.abs(values).max()) or 1.0
    sampled = sitk.GetArrayFromImage(grid.resample(cells.image((values / largest).astype(np.float32))))
    return grid.image((np.rint(256 * sampled) / 256 * largest).astype(np.float32))
