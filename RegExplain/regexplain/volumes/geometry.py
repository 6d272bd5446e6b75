"""Image grids in world coordinates, and resampling onto a model's canvas.

World points are LPS millimetres. Sizes, spacings and indices are ordered (x, y, z); arrays are (z, y, x).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

SLAB_VOXELS = 2_000_000  # of a large image, little beside what must be kept of it
BORDER_TOLERANCE = 1e-4  # of the box's size: far above rounding, far below a voxel
MISPLACED_MM, MISPLACED_SHARE = 0.1, 0.15  # of a voxel: what headers leave by rounding to a tenth of a millimetre
FITTING_TOLERANCE = 1e-6  # cells
MAX_ANISOTROPY = 1.5
TISSUE_MARGIN = 0.05  # of the tissue's extent
MIN_OVERLAP = 0.25  # of it


@dataclass(frozen=True)
class Grid:
    """A regular lattice of voxel centres: point = origin + direction · (spacing * index), LPS mm."""

    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Grid:
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def axes(self) -> np.ndarray:
        """(3, 3), one unit column an axis."""
        return np.array(self.direction).reshape(3, 3)

    @property
    def voxel_to_world(self) -> np.ndarray:
        """(4, 4), from (x, y, z) index to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes * self.spacing
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def centre(self) -> np.ndarray:
        """The middle of the lattice, LPS mm."""
        return self.world((np.array(self.size) - 1) / 2)

    @property
    def middle_corner(self) -> np.ndarray:
        """The corner of voxels nearest the middle, LPS mm: half a voxel further along each axis of odd size."""
        return self.world((np.array(self.size) + 1) // 2 - 0.5)

    @property
    def extent(self) -> np.ndarray:
        """Edge to edge along each axis, mm."""
        return np.array(self.size) * self.spacing

    @property
    def corners(self) -> np.ndarray:
        """(8, 3), the outer corners of the outermost voxels, LPS mm."""
        unit = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
        return self.world(unit * np.array(self.size) - 0.5)

    @property
    def tolerance_mm(self) -> float:
        """How far from its place a voxel may be taken to lie."""
        return min(MISPLACED_MM, MISPLACED_SHARE * min(self.spacing))

    def world(self, index: np.ndarray) -> np.ndarray:
        """LPS points of (..., 3) continuous indices (x, y, z)."""
        return np.asarray(index) @ (self.axes * self.spacing).T + self.origin

    def slabs(self) -> Iterator[slice]:
        """Blocks of slices along z, in order, small enough to limit memory."""
        thick = max(1, SLAB_VOXELS // (self.size[0] * self.size[1]))
        for first in range(0, self.size[2], thick):
            yield slice(first, min(first + thick, self.size[2]))

    def slab(self, slices: slice) -> Grid:
        """Those slices along z."""
        origin = self.world(np.array((0, 0, slices.start)))
        return replace(self, size=(*self.size[:2], slices.stop - slices.start), origin=tuple(origin.tolist()))

    def subsampled(self, step: int, covering: bool = False) -> Grid:
        """Every n-th voxel along each axis, from the first on; `covering` reaches the last voxel or beyond it."""
        x, y, z = (-(-(n - 1) // step) + 1 if covering else -(-n // step) for n in self.size)
        along_x, along_y, along_z = (step * side for side in self.spacing)
        return replace(self, size=(x, y, z), spacing=(along_x, along_y, along_z))

    def subsampled_to(self, max_voxels: int) -> Grid:
        """Every n-th voxel, n the least that leaves no more than `max_voxels`."""
        return self.subsampled(subsampling_step(self.size, max_voxels))

    def image(self, array: np.ndarray, vector: bool = False) -> sitk.Image:
        """`array` (z, y, x), or (z, y, x, c) with `vector`, as an image on this grid."""
        image = sitk.GetImageFromArray(array, isVector=vector)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def ones(self) -> sitk.Image:
        """1 in every voxel, uint8; resampled onto another grid it is the mask of this one."""
        return self.image(np.ones(self.size[::-1], np.uint8))

    def resample(
        self,
        image: sitk.Image,
        transform: sitk.Transform | None = None,
        nearest: bool = False,
        outside: float = 0.0,
    ) -> sitk.Image:
        """`image` at transform(point) for each point of this grid, else `outside`. Nearest for labels, else linear."""
        interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
        return sitk.Resample(
            image,
            self.size,
            transform or sitk.Transform(3, sitk.sitkIdentity),
            interpolator,
            self.origin,
            self.spacing,
            self.direction,
            outside,
        )


def corner_indices(size) -> np.ndarray:
    """(8, 3), the indices of the corners' voxels."""
    return np.stack(np.meshgrid(*[(0, n - 1) for n in size], indexing="ij"), -1).reshape(-1, 3)


def nearest_grid(matrix: np.ndarray, size) -> tuple[Grid, float]:
    """The grid of perpendicular axes nearest to an affine one of `size` voxels, and how far a voxel lies from its place
    on it at most, mm. matrix: (4, 4), from (x, y, z) index to LPS mm.
    """
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    u, _, v = np.linalg.svd(matrix[:3, :3] / spacing)
    middle = matrix[:3, :3] @ ((np.array(size) - 1) / 2) + matrix[:3, 3]
    grid = centred_grid(middle, tuple(map(int, size)), tuple(spacing.tolist()), tuple((u @ v).ravel().tolist()))
    corners = corner_indices(size)
    misplaced = grid.world(corners) - (corners @ matrix[:3, :3].T + matrix[:3, 3])
    return grid, float(np.linalg.norm(misplaced, axis=1).max())


def shear_deg(matrix: np.ndarray) -> float:
    """How far from perpendicular two axes of an affine grid are at most, in degrees."""
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return float(np.degrees(np.arcsin(np.clip(np.abs(axes.T @ axes - np.eye(3)).max(), 0, 1))))


def set_geometry(image: sitk.Image, grid: Grid) -> None:
    """Set spacing, origin and direction of an image of 3 or more dimensions; further axes have origin 0, spacing 1."""
    further = image.GetDimension() - 3
    direction = np.eye(3 + further)
    direction[:3, :3] = grid.axes
    image.SetSpacing([*grid.spacing, *[1.0] * further])
    image.SetOrigin([*map(float, grid.origin), *[0.0] * further])
    image.SetDirection(direction.ravel().tolist())


def subsampling_step(size: tuple[int, ...], max_voxels: int) -> int:
    """The least n so that every n-th voxel along each axis, from the first on, leaves no more than `max_voxels`."""
    step, longest = 1, max(size)
    while step < longest and math.prod(-(-n // step) for n in size) > max_voxels:
        step += 1
    return step


def as_closest_lps(grid: Grid) -> Grid:
    """The same box with its axes permuted and flipped to the nearest LPS order, as nibabel's as_closest_canonical."""
    marker = sitk.Image([2, 2, 2], sitk.sitkUInt8)
    marker.SetDirection(grid.direction)
    direction = sitk.DICOMOrient(marker, "LPS").GetDirection()
    source = np.abs(np.array(direction).reshape(3, 3).T @ grid.axes).argmax(1)
    size = tuple(grid.size[i] for i in source)
    spacing = tuple(grid.spacing[i] for i in source)
    return centred_grid(grid.centre, size, spacing, direction)


def centred_grid(centre, size, spacing, direction) -> Grid:
    """A grid whose middle lies at `centre` (LPS mm)."""
    offset = np.array(direction).reshape(3, 3) @ ((np.array(size) - 1) / 2 * np.array(spacing))
    return Grid(tuple(size), tuple(spacing), tuple(np.asarray(centre) - offset), tuple(direction))


def resized(grid: Grid, size) -> Grid:
    """Other voxels (x, y, z) in the same box, edge to edge."""
    spacing = grid.extent / np.array(size)
    return centred_grid(grid.centre, tuple(map(int, size)), tuple(spacing.tolist()), grid.direction)


def canvas_around(image: sitk.Image, size, spacing, centre=None) -> Grid:
    """A model's canvas of even size about `centre` (LPS mm), its axes the image's in the nearest LPS order.

    An oblique header or another storage order of the same scan therefore gives the same canvas content. By default it
    lies about the image's `middle_corner`: with the image's own spacing its cells are voxels, and nothing is blurred.
    """
    lps_grid = as_closest_lps(Grid.of(image))
    return centred_grid(lps_grid.middle_corner if centre is None else centre, size, spacing, lps_grid.direction)


def common_field_of_view(fixed: Grid, moving: Grid, alignment: sitk.Transform, tissue: Grid) -> Grid:
    """The part of the fixed image's tissue, with a margin, that the moving image's box covers too: a grid of one voxel
    in the fixed image's axes. Along an axis on which the two hardly overlap it is all of the tissue.

    alignment: linear, fixed-space to moving-space points. tissue: the box of fixed's tissue, in its axes.
    """
    lps_grid, back = as_closest_lps(fixed), alignment.GetInverse()

    def ends(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        along = (points - lps_grid.centre) @ lps_grid.axes
        return along.min(0), along.max(0)

    here, there = ends(lps_grid.corners), ends(np.array([back.TransformPoint(tuple(p)) for p in moving.corners]))
    inside = ends(tissue.corners)
    extent = inside[1] - inside[0]
    low = np.max([here[0], there[0], inside[0] - TISSUE_MARGIN * extent], 0)
    high = np.min([here[1], there[1], inside[1] + TISSUE_MARGIN * extent], 0)
    disjoint = high - low < MIN_OVERLAP * extent
    low, high = np.where(disjoint, inside[0], low), np.where(disjoint, inside[1], high)
    return centred_grid(
        lps_grid.centre + lps_grid.axes @ ((low + high) / 2),
        (1, 1, 1),
        tuple((high - low).tolist()),
        lps_grid.direction,
    )


def fit_canvas(box: Grid, largest: Sequence[int], finest: float, cell: int) -> Grid:
    """A canvas of at most `largest` voxels (x, y, z) that `box` fills along one axis at least, and its middle is.

    Its voxels are cubes, but on axes where more of them fit they may be MAX_ANISOTROPY times as short; none is smaller
    than `finest` mm. Sizes are whole times `cell`, two of them at least.
    """
    coarsest = max((box.extent / largest).max(), finest)
    spacing = np.maximum(box.extent / largest, max(coarsest / MAX_ANISOTROPY, finest))
    cells = np.maximum(np.ceil(box.extent / spacing / cell - FITTING_TOLERANCE), 2).astype(int)
    size = np.minimum(cells * cell, largest)
    return centred_grid(box.centre, tuple(size.tolist()), tuple(spacing.tolist()), box.direction)


def antialias(image: sitk.Image, spacing) -> sitk.Image:
    """`image` smoothed against aliasing, for resampling it to `spacing` mm (a Gaussian along axes of finer spacing)."""
    sigma = [max(0.0, np.sqrt(max(0.0, max(spacing) ** 2 - source**2))) / 2 for source in image.GetSpacing()]
    if max(sigma) < 0.5 * min(image.GetSpacing()):
        return image
    return sitk.DiscreteGaussian(image, [s**2 for s in sigma], 64, 0.01, True)


def resample_to_canvas(image: sitk.Image, canvas: Grid, alignment: sitk.Transform | None = None) -> np.ndarray:
    """`image` resampled onto a model's canvas, (z, y, x) float32: antialiased, 0 outside the image's box.

    An image of odd size on an even canvas has its border exactly between two cells' centres. ITK lets rounding decide
    on which side those cells fall, so here the border belongs to the box, for every copy of a scan.
    """
    return resample_blurred_to_canvas(antialias(sitk.Cast(image, sitk.sitkFloat32), canvas.spacing), canvas, alignment)


def resample_blurred_to_canvas(
    blurred: sitk.Image, canvas: Grid, alignment: sitk.Transform | None = None
) -> np.ndarray:
    """As `resample_to_canvas`, of an image that is blurred already."""
    padded = sitk.ZeroFluxNeumannPad(blurred, [1] * 3, [1] * 3)
    grid = Grid.of(blurred)
    box = centred_grid(grid.centre, grid.size, np.array(grid.spacing) * (1 + BORDER_TOLERANCE), grid.direction)
    inside = canvas.resample(box.image(np.ones(grid.size[::-1], np.uint8)), alignment, nearest=True)
    return sitk.GetArrayFromImage(canvas.resample(padded, alignment)) * sitk.GetArrayViewFromImage(inside)
