"""Input of the error map: both images on fine voxels, two of them a cell along each axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ...transforms.itk import resample_displacement
from ...volumes.geometry import Grid, antialias, as_closest_lps, centred_grid
from ...volumes.intensities import SAMPLED_VOXELS, background_value, tissue_threshold

CELL_MM = 4.0
SMALL_EXTENT_MM, SMALL_CELL_VOXELS = 100.0, 3.0  # a smaller image has cells of three of its voxels
MAX_CELLS = 72  # along the longest side of what the fixed image shows
MIN_CELLS = 4
MARGIN = 2  # cells about the tissue


@dataclass(frozen=True, eq=False)
class CellPair:
    """Arrays are (z, y, x) on `fine`, whose sizes are even: the intensities of both images, the moving one warped;
    overlap: where both lie in their field of view and mask; where each shows tissue. displacement: (3, d, h, w), mm
    along the grid's axes at the middles of the cells, beyond the alignment."""

    fine: Grid
    fixed: np.ndarray
    warped: np.ndarray
    overlap: np.ndarray
    fixed_tissue: np.ndarray
    warped_tissue: np.ndarray
    displacement: np.ndarray

    @property
    def cells(self) -> Grid:
        return cells_of(self.fine)


def cells_of(fine: Grid) -> Grid:
    """A cell for two voxels along each axis."""
    size = tuple(n // 2 for n in fine.size)
    return centred_grid(fine.centre, size, [2 * s for s in fine.spacing], fine.direction)


def cell_size(grid: Grid, extent: np.ndarray) -> float:
    """mm. extent: of the tissue in the fixed image on `grid`, mm."""
    side = CELL_MM
    if grid.extent.max() < SMALL_EXTENT_MM:
        side = SMALL_CELL_VOXELS * float(np.prod(grid.spacing)) ** (1 / 3)
    return max(side, float(np.max(extent)) / MAX_CELLS)


def cell_pair(
    fixed: sitk.Image,
    moving: sitk.Image,
    transform: sitk.Transform,
    displacement: sitk.Image | None,
    masks: tuple[sitk.Image | None, sitk.Image | None] = (None, None),
) -> CellPair:
    """Of two images and the transform from fixed-space to moving-space points (LPS mm).

    displacement: its deformation beyond the alignment, LPS mm; None where there is none. masks: of the fixed
    and the moving image; outside of them nothing counts.
    """
    thresholds = [_tissue_threshold(image) for image in (fixed, moving)]
    fine = fine_grid(fixed, thresholds[0])
    images = [_antialiased(image, fine) for image in (fixed, moving)]
    fixed_values = sitk.GetArrayFromImage(fine.resample(images[0], outside=background_value(fixed)))
    warped_values = sitk.GetArrayFromImage(fine.resample(images[1], transform, outside=background_value(moving)))
    in_fixed, in_moving = _inside(fine, fixed, masks[0], None), _inside(fine, moving, masks[1], transform)
    cells = cells_of(fine)
    cell_displacement = np.zeros((3, *cells.size[::-1]), np.float32)
    if displacement is not None:
        vectors = sitk.GetArrayFromImage(resample_displacement(displacement, cells)) @ cells.axes
        cell_displacement = np.moveaxis(vectors, -1, 0).astype(np.float32)
    tissue = (
        (fixed_values > thresholds[0]) & _inside(fine, fixed, None, None),
        (warped_values > thresholds[1]) & in_moving,
    )
    return CellPair(fine, fixed_values, warped_values, in_fixed & in_moving, *tissue, cell_displacement)


def fine_grid(fixed: sitk.Image, threshold: float) -> Grid:
    """Voxels of half a cell about what exceeds `threshold` in the fixed image, along its axes, L, P, S first."""
    grid, lps_grid = Grid.of(fixed), as_closest_lps(Grid.of(fixed))
    step = tuple(max(1, int(CELL_MM / 2 / s)) for s in grid.spacing)
    coarse = fixed[:: step[0], :: step[1], :: step[2]]
    index = np.argwhere(sitk.GetArrayViewFromImage(coarse) > threshold)[:, ::-1]
    if not len(index):
        index = np.array([[0, 0, 0], np.array(coarse.GetSize()) - 1])
    along = (Grid.of(coarse).world(index) - lps_grid.centre) @ lps_grid.axes
    low, high = np.percentile(along, 0.1, axis=0), np.percentile(along, 99.9, axis=0)
    side = cell_size(grid, high - low)
    low, high = low - MARGIN * side, high + MARGIN * side
    half = lps_grid.extent / 2 + side / 2
    low, high = np.maximum(low, -half), np.minimum(high, half)
    count = np.maximum(np.ceil((high - low) / side).astype(int), MIN_CELLS)
    centre = lps_grid.centre + lps_grid.axes @ ((low + high) / 2)
    return centred_grid(centre, (2 * count).tolist(), [side / 2] * 3, lps_grid.direction)


def _tissue_threshold(image: sitk.Image) -> float:
    """Above it is tissue."""
    return tissue_threshold(
        sitk.GetArrayViewFromImage(image).ravel()[:: max(1, image.GetNumberOfPixels() // SAMPLED_VOXELS)]
    )


def _antialiased(image: sitk.Image, fine: Grid) -> sitk.Image:
    """In float32, blurred as sampling it on `fine` needs."""
    image = sitk.Cast(image, sitk.sitkFloat32)
    return antialias(image, fine.spacing)


def _inside(fine: Grid, image: sitk.Image, mask: sitk.Image | None, transform: sitk.Transform | None) -> np.ndarray:
    ones = Grid.of(image).ones() if mask is None else mask > 0
    return sitk.GetArrayFromImage(fine.resample(ones, transform, nearest=True)) > 0
