"""The numerical inverse of a displacement field."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid, subsampling_step

TOLERANCE_MM = 1e-3
MAX_ITERATIONS = 30
MIN_STEP = 1 / 16  # where even that would make it worse, it is as good as it gets
COARSEST_STRIDE = 8  # voxels between the points that are solved first
BATCH_POINTS = 50_000  # points, few enough for the processor's cache


def invert_displacement(displacement: sitk.Image, max_voxels: int | None = None) -> sitk.Image:
    """w with w(q) = −u(q + w(q)), so that x = q + w(q) is the point that u takes to q; float32, mm.

    displacement: u, a vector image in mm; beyond its box its border values count. Fixed-point steps, halved wherever
    one would make it worse. Where u folds there is no inverse, and w is the nearest that was found.
    w lies on the grid of u, or, of more than `max_voxels`, on every n-th voxel of it, with a last one at the end of
    the grid or beyond.

    Every 8th of these along each axis is solved first, then every 4th, … starting from what lies about it: at most of
    them little is then left to do.
    """
    grid = Grid.of(displacement)
    step = subsampling_step(grid.size, max_voxels) if max_voxels else 1
    solved_grid = grid.subsampled(step, covering=True)
    field = _Field(displacement)
    stride, solution = COARSEST_STRIDE, np.zeros((3, *_strided_size(solved_grid, COARSEST_STRIDE)), np.float32)
    while True:
        solution = _solve(field, solution, stride * step)
        if stride == 1:
            return solved_grid.image(np.moveaxis(solution, 0, -1) @ field.to_mm, vector=True)
        stride //= 2
        solution = _upsample(solution, _strided_size(solved_grid, stride))


def _strided_size(grid: Grid, n: int) -> tuple[int, ...]:
    """How many voxels along each axis are left of every n-th; z, y, x."""
    return tuple(-(-size // n) for size in grid.size[::-1])


class _Field:
    """A displacement field, in voxels, that can be read between the voxels. to_mm (3, 3): row vectors back to mm."""

    def __init__(self, displacement: sitk.Image):
        grid = Grid.of(displacement)
        self.spacing = np.array(grid.spacing, np.float32)
        to_voxels = (grid.axes / grid.spacing).astype(np.float32)
        self.to_mm = np.linalg.inv(to_voxels)
        vectors = sitk.GetArrayViewFromImage(displacement)
        padded = np.empty((3, *(n + 1 for n in vectors.shape[:3])), np.float32)  # a neighbour for the last voxels too
        for slab in grid.slabs():
            padded[:, slab, :-1, :-1] = np.moveaxis(vectors[slab].astype(np.float32) @ to_voxels, -1, 0)
        padded[:, -1], padded[:, :, -1], padded[..., -1] = padded[:, -2], padded[:, :, -2], padded[..., -2]
        self._row, self._slice = padded.shape[3], padded.shape[2] * padded.shape[3]
        self._components = [component.ravel() for component in padded]
        self._last = np.array(grid.size, np.float32)[:, None] - 1

    def interpolate(self, points: np.ndarray) -> np.ndarray:
        """(3, N) at indices of (3, N): x, y, z; beyond the box the value of its border."""
        points = np.clip(points, 0, self._last)
        below = points.astype(np.int64)
        x, y, z = points - below
        first = below[0] + self._row * below[1] + self._slice * below[2]
        corners = [first + along + across for across in (0, self._slice) for along in (0, 1, self._row, self._row + 1)]
        values = np.empty_like(points)
        for value, component in zip(values, self._components, strict=True):
            ends = [component.take(corner) for corner in corners]
            a, b, c, d = (_lerp(low, high, x) for low, high in zip(ends[::2], ends[1::2], strict=True))
            value[:] = _lerp(_lerp(a, b, y), _lerp(c, d, y), z)
        return values


def _lerp(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    return low + share * (high - low)


def _solve(field: _Field, start: np.ndarray, stride: int) -> np.ndarray:
    """w at every n-th voxel along each axis, from a start there; both (3, z, y, x), in voxels."""
    solution = start.reshape(3, -1)
    for first in range(0, solution.shape[1], BATCH_POINTS):
        batch = np.arange(first, min(first + BATCH_POINTS, solution.shape[1]))
        points = stride * np.stack(np.unravel_index(batch, start.shape[1:])[::-1]).astype(np.float32)
        solution[:, batch] = _solve_points(field, points, solution[:, batch])
    return solution.reshape(start.shape)


def _solve_points(field: _Field, points: np.ndarray, solution: np.ndarray) -> np.ndarray:
    """The same at indices of (3, N): x, y, z."""

    def error_of(points: np.ndarray, solution: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(3, N), voxels: how far from q the point q + solution ends; and its length, (N,) mm."""
        error = solution + field.interpolate(points + solution)
        return error, np.sqrt(((error * field.spacing[:, None]) ** 2).sum(0))

    error, length = error_of(points, solution)
    step = np.ones_like(length)
    for _ in range(MAX_ITERATIONS):
        active = np.flatnonzero((length > TOLERANCE_MM) & (step >= MIN_STEP))
        if not active.size:
            break
        trial = solution[:, active] - step[active] * error[:, active]
        ends, lengths = error_of(points[:, active], trial)
        better = lengths < length[active]
        step[active] = np.where(better, np.minimum(1, 1.5 * step[active]), step[active] / 2)
        improved = active[better]
        solution[:, improved], error[:, improved], length[improved] = trial[:, better], ends[:, better], lengths[better]
    return solution


def _upsample(coarse: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(3, z, y, x) of every other of `size` points along each axis, and of those between, by cubics."""
    for axis, n in enumerate(size, 1):
        first, last = (coarse.take([end], axis) for end in (0, -1))
        padded = np.moveaxis(np.concatenate([first, coarse, last, last], axis), axis, 0)
        shape = list(coarse.shape)
        shape[axis] = n
        fine = np.empty(shape, np.float32)
        points = np.moveaxis(fine, axis, 0)
        points[::2] = padded[1:-2]
        points[1::2] = ((9 * (padded[1:-2] + padded[2:-1]) - padded[:-3] - padded[3:]) / 16)[: n // 2]
        coarse = fine
    return coarse
