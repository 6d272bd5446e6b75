"""Tissue of the fixed image whose counterpart in the moving image is unusually bright or dark for such tissue.

There something is in one image alone, such as a cavity or a large lesion, or the images do not lie on each other. What
is usual is read off the two images themselves, for places as bright and as deep in the anatomy, so it holds for any two
contrasts, and nothing is learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid, antialias, centred_grid
from ..volumes.intensities import background_value, tissue_mask

CELL_MM = 3.0
MARGIN = 2  # voxels of the label map about the anatomy
GAP_CELLS = 5  # of the label map: gaps up to twice as wide between structures belong to the anatomy
BRIGHTNESSES, DEPTHS = 16, 6
MIN_GROUP_SIZE = 5  # cells of one brightness and depth
TENTHS_SD = 2.563  # standard deviations of a normal distribution between its first and its last tenth
MIN_SPREAD = 0.25  # of the spread of all tissue
MAX_SD = 5.0
BLUR_MM, SLOW_MM = 6.0, 36.0  # over which deviations are averaged; over which coils and windows vary
THRESHOLD_SD = 2.0


@dataclass(frozen=True)
class Counterparts:
    """The largest region that deviates from tissue of its kind. largest_ml: 0 for none. deviation_sd: the largest, in
    standard deviations of such tissue, brighter than usual being positive. centre_mm: LPS, in the fixed image. place:
    the structure that most of it lies in; "" in none."""

    largest_ml: float
    deviation_sd: float = 0.0
    centre_mm: tuple[float, float, float] | None = None
    place: str = ""

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json."""
        return vars(self) | {"centre_mm": None if self.centre_mm is None else list(self.centre_mm)}


def compare_counterparts(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, anatomy: sitk.Image, names: dict[int, str]
) -> Counterparts | None:
    """transform: fixed-space to moving-space points, LPS mm. anatomy: a label map over the fixed image, and the names
    of its labels: outside it, tissue is of too many kinds. None where nothing of it is in both images."""
    anatomy_mask = sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(anatomy > 0, [GAP_CELLS] * 3))
    if not sitk.GetArrayViewFromImage(anatomy_mask).any():
        return None
    grid = _cells_about(anatomy_mask)
    fixed_values, moving_values = _resampled(grid, fixed, None), _resampled(grid, moving, transform)
    inside = _nearest(grid, anatomy_mask) & _nearest(grid, Grid.of(fixed).image(tissue_mask(fixed).astype(np.uint8)))
    inside &= _nearest(grid, Grid.of(moving).ones(), transform)
    if not inside.any():
        return None
    depth = sitk.SignedMaurerDistanceMap(grid.resample(anatomy_mask, nearest=True), True, False, True)
    unusual = _high_pass(_deviations(fixed_values, -sitk.GetArrayFromImage(depth), moving_values, inside), inside, grid)
    return _largest(unusual, grid, anatomy, names)


def _cells_about(anatomy_mask: sitk.Image) -> Grid:
    grid = Grid.of(anatomy_mask)
    index = np.argwhere(sitk.GetArrayViewFromImage(anatomy_mask) > 0)[:, ::-1]
    low, high = index.min(0) - MARGIN, index.max(0) + MARGIN
    size = np.ceil((high - low + 1) * grid.spacing / CELL_MM).astype(int)
    return centred_grid(grid.world((low + high)[None] / 2)[0], size.tolist(), [CELL_MM] * 3, grid.direction)


def _resampled(grid: Grid, image: sitk.Image, transform: sitk.Transform | None) -> np.ndarray:
    blurred = antialias(sitk.Cast(image, sitk.sitkFloat32), grid.spacing)
    return sitk.GetArrayFromImage(grid.resample(blurred, transform, outside=background_value(image)))


def _nearest(grid: Grid, mask: sitk.Image, transform: sitk.Transform | None = None) -> np.ndarray:
    return sitk.GetArrayFromImage(grid.resample(mask, transform, nearest=True)) > 0


def _deviations(brightness: np.ndarray, depth: np.ndarray, response: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """How far `response` is from its median over cells of that brightness and depth, in standard deviations."""
    values, deviations = response[inside], np.zeros(np.count_nonzero(inside))
    min_spread = MIN_SPREAD * _spread(values)
    for bright in _quantile_groups(brightness[inside], np.arange(len(values)), BRIGHTNESSES):
        for group in _quantile_groups(depth[inside][bright], bright, DEPTHS):
            if len(group) >= MIN_GROUP_SIZE:
                spread = max(_spread(values[group]), min_spread, 1e-9)
                deviations[group] = (values[group] - np.median(values[group])) / spread
    result = np.zeros(inside.shape, np.float32)
    result[inside] = np.clip(deviations, -MAX_SD, MAX_SD)
    return result


def _quantile_groups(values: np.ndarray, index: np.ndarray, count: int) -> list[np.ndarray]:
    """`index` in groups of equally many by rising value."""
    return [index[part] for part in np.array_split(np.argsort(values, kind="stable"), count)]


def _spread(values: np.ndarray) -> float:
    low, high = np.percentile(values, [10, 90])
    return float(high - low) / TENTHS_SD


def _high_pass(deviations: np.ndarray, inside: np.ndarray, grid: Grid) -> np.ndarray:
    """Over each place's surroundings, less what varies slowly."""

    def smooth(values: np.ndarray, mm: float) -> np.ndarray:
        return sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(grid.image(values.astype(np.float32)), mm))

    rest = np.where(inside, deviations - smooth(deviations, SLOW_MM) / np.maximum(smooth(inside, SLOW_MM), 0.05), 0)
    share = smooth(inside, BLUR_MM)
    return np.where(inside & (share > 0.5), smooth(rest, BLUR_MM) / np.maximum(share, 0.5), 0)


def _largest(unusual: np.ndarray, grid: Grid, anatomy: sitk.Image, names: dict[int, str]) -> Counterparts:
    parts = sitk.ConnectedComponent(grid.image((np.abs(unusual) > THRESHOLD_SD).astype(np.uint8)))
    labels = sitk.GetArrayFromImage(sitk.RelabelComponent(parts))
    largest = labels == 1
    if not largest.any():
        return Counterparts(0.0)
    centre = grid.world(np.argwhere(largest)[:, ::-1].mean(0)[None])[0]
    structures = sitk.GetArrayFromImage(grid.resample(anatomy, nearest=True))[largest]
    counts = np.bincount(structures.astype(np.int64), minlength=2)
    place = names.get(int(counts[1:].argmax()) + 1, "") if counts[1:].any() else ""
    most = unusual[largest][np.abs(unusual[largest]).argmax()]
    return Counterparts(float(largest.sum() * np.prod(grid.spacing)) / 1000, float(most), tuple(centre.tolist()), place)
