"""The Jacobian determinant of a transform: the volume that a piece of the fixed image has in the moving one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid
from .itk import RegistrationTransform, affine_matrix, to_displacement_field

LOG_FLOOR = 1e-9


def jacobian_determinant(transform: sitk.Transform, grid: Grid) -> np.ndarray:
    """det of the Jacobian of the whole transform at each voxel of `grid`: (z, y, x), float32; 1 keeps the volume.

    By central differences between voxels, and one-sided ones at the border, where ITK's own filter halves them.
    """
    return _determinants(lambda slab: sitk.GetArrayFromImage(to_displacement_field(transform, grid.slab(slab))), grid)


def registration_jacobian_determinant(transform: RegistrationTransform, grid: Grid) -> np.ndarray:
    """The same of a registration whose displacement, if any, lies on that very grid: det A · det(I + ∂u)."""
    linear = np.linalg.det(affine_matrix(transform.alignment))
    if transform.displacement is None:
        return np.full(grid.size[::-1], linear, np.float32)
    u = sitk.GetArrayViewFromImage(transform.displacement)
    determinants = _determinants(lambda slab: u[slab], grid)
    determinants *= np.float32(linear)
    return determinants


def jacobian_summary(determinant: np.ndarray) -> dict[str, float]:
    """Smallest, share ≤ 0, and the standard deviation of ln(max(det, 1e-9))."""
    logarithms = np.log(np.maximum(determinant, LOG_FLOOR))
    mean = logarithms.mean(dtype=float)
    logarithms -= mean
    return {
        "min": float(determinant.min()),
        "share_folded": float((determinant <= 0).mean()),
        "log_sd": float(np.sqrt(np.square(logarithms, out=logarithms).mean(dtype=float))),
    }


def _determinants(displacement: Callable[[slice], np.ndarray], grid: Grid) -> np.ndarray:
    """displacement: (z, y, x, 3), LPS mm, of some slices of the grid."""
    determinants = np.empty(grid.size[::-1], np.float32)
    for slab in grid.slabs():
        wider = slice(max(0, slab.start - 1), min(grid.size[2], slab.stop + 1))
        inner = slice(slab.start - wider.start, slab.stop - wider.start)
        # Differences run along the grid's axes, so the vectors are put into them; the determinant is the same.
        along_axes = np.ascontiguousarray(np.moveaxis(displacement(wider) @ grid.axes, -1, 0), np.float32)
        a, b, c = (
            [_gradient(part, axis, grid)[inner] + (axis == n) for axis in range(3)] for n, part in enumerate(along_axes)
        )
        determinants[slab] = a[0] * (b[1] * c[2] - b[2] * c[1])
        determinants[slab] -= a[1] * (b[0] * c[2] - b[2] * c[0])
        determinants[slab] += a[2] * (b[0] * c[1] - b[1] * c[0])
    return determinants


def _gradient(values: np.ndarray, axis: int, grid: Grid) -> np.ndarray:
    """Of (z, y, x) per mm along the grid's axis 0 (x), 1 or 2; none where that has a single voxel."""
    if grid.size[axis] == 1:
        return np.zeros_like(values)
    return np.gradient(values, np.float32(grid.spacing[axis]), axis=2 - axis)
