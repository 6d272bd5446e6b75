"""Where the fixed image has tissue whose counterpart in the moving image looks as such tissue does nowhere else.

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
FEWEST = 5  # cells of one brightness and depth
TENTHS_SD = 2.563  # standard deviations of a normal distribution between its first and its last tenth
LEAST_SPREAD = 0.25  # of the spread of all tissue
MOST_SD = 5.0
BLUR_MM, SLOW_MM = 6.0, 36.0  # over which deviations are averaged; over which coils and windows vary
UNUSUAL_SD = 2.0


@dataclass(frozen=True)
class Counterparts:
    """The largest place that looks unlike its kind. largest_ml: 0 where there is none. deviation_sd: the most in it, in
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
    whole = sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(anatomy > 0, [GAP_CELLS] * 3))
    if not sitk.GetArrayViewFromImage(whole).any():
        return None
    grid = _cells_about(whole)
    here, there = _sampled(grid, fixed, None), _sampled(grid, moving, transform)
    inside = _nearest(grid, whole) & _nearest(grid, Grid.of(fixed).image(tissue_mask(fixed).astype(np.uint8)))
    inside &= _nearest(grid, Grid.of(moving).ones(), transform)
    if not inside.any():
        return None
    depth = sitk.SignedMaurerDistanceMap(grid.resample(whole, nearest=True), True, False, True)
    unusual = _averaged(_deviations(here, -sitk.GetArrayFromImage(depth), there, inside), inside, grid)
    return _largest(unusual, grid, anatomy, names)


def _cells_about(whole: sitk.Image) -> Grid:
    own = Grid.of(whole)
    index = np.argwhere(sitk.GetArrayViewFromImage(whole) > 0)[:, ::-1]
    low, high = index.min(0) - MARGIN, index.max(0) + MARGIN
    size = np.ceil((high - low + 1) * own.spacing / CELL_MM).astype(int)
    return centred_grid(own.world((low + high)[None] / 2)[0], size.tolist(), [CELL_MM] * 3, own.direction)


def _sampled(grid: Grid, image: sitk.Image, transform: sitk.Transform | None) -> np.ndarray:
    blurred = antialias(sitk.Cast(image, sitk.sitkFloat32), grid.spacing)
    return sitk.GetArrayFromImage(grid.resample(blurred, transform, outside=background_value(image)))


def _nearest(grid: Grid, mask: sitk.Image, transform: sitk.Transform | None = None) -> np.ndarray:
    return sitk.GetArrayFromImage(grid.resample(mask, transform, nearest=True)) > 0


def _deviations(brightness: np.ndarray, depth: np.ndarray, told: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """How far `told` is from its median over places of that brightness and depth, in standard deviations of these."""
    values, deviations = told[inside], np.zeros(np.count_nonzero(inside))
    least = LEAST_SPREAD * _spread(values)
    for bright in _quantile_groups(brightness[inside], np.arange(len(values)), BRIGHTNESSES):
        for own in _quantile_groups(depth[inside][bright], bright, DEPTHS):
            if len(own) >= FEWEST:
                spread = max(_spread(values[own]), least, 1e-9)
                deviations[own] = (values[own] - np.median(values[own])) / spread
    found = np.zeros(inside.shape, np.float32)
    found[inside] = np.clip(deviations, -MOST_SD, MOST_SD)
    return found


def _quantile_groups(values: np.ndarray, index: np.ndarray, count: int) -> list[np.ndarray]:
    """`index` in groups of equally many by rising value."""
    return [index[part] for part in np.array_split(np.argsort(values, kind="stable"), count)]


def _spread(values: np.ndarray) -> float:
    low, high = np.percentile(values, [10, 90])
    return float(high - low) / TENTHS_SD


def _averaged(deviations: np.ndarray, inside: np.ndarray, grid: Grid) -> np.ndarray:
    """Over each place's surroundings, less what varies slowly."""

    def smooth(values: np.ndarray, mm: float) -> np.ndarray:
        return sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(grid.image(values.astype(np.float32)), mm))

    rest = np.where(inside, deviations - smooth(deviations, SLOW_MM) / np.maximum(smooth(inside, SLOW_MM), 0.05), 0)
    share = smooth(inside, BLUR_MM)
    return np.where(inside & (share > 0.5), smooth(rest, BLUR_MM) / np.maximum(share, 0.5), 0)


def _largest(unusual: np.ndarray, grid: Grid, anatomy: sitk.Image, names: dict[int, str]) -> Counterparts:
    parts = sitk.ConnectedComponent(grid.image((np.abs(unusual) > UNUSUAL_SD).astype(np.uint8)))
    labels = sitk.GetArrayFromImage(sitk.RelabelComponent(parts))
    own = labels == 1
    if not own.any():
        return Counterparts(0.0)
    centre = grid.world(np.argwhere(own)[:, ::-1].mean(0)[None])[0]
    structures = sitk.GetArrayFromImage(grid.resample(anatomy, nearest=True))[own]
    counts = np.bincount(structures.astype(np.int64), minlength=2)
    place = names.get(int(counts[1:].argmax()) + 1, "") if counts[1:].any() else ""
    most = unusual[own][np.abs(unusual[own]).argmax()]
    return Counterparts(float(own.sum() * np.prod(grid.spacing)) / 1000, float(most), tuple(centre.tolist()), place)
