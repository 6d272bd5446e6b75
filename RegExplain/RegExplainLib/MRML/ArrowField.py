"""The displacement field that Slicer draws as arrows."""

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from regexplain.volumes.geometry import subsampling_step

from . import Conversion

VOXEL_LIMIT = 96**3  # 11 MB: arrows are far apart, and Slicer takes what is between as linear
NO_ARROW_MM = 1e9  # longer than any: where even a trace of it is mixed in, Slicer hides the arrow as too long
MARGIN_VOXELS = 8  # more than the distance of the vectors that are kept


def arrowField(vectors, geometry, inside=None, inverse=None):
    """A vtkOrientedGridTransform whose forward side goes from each arrow's base to its tip.

    vectors, geometry: of `Conversion.gridOf`. An arrow goes from x to x + u(x); with the `inverse` of that, a
    vtkAbstractTransform, back.
    inside: (z, y, x) bool of the fixed scan: where arrows are asked for at their fixed end; those that have it more
    than about a voxel off are too long to be shown.

    Only every n-th vector is kept, n the least that leaves no more than VOXEL_LIMIT of those about `inside`.
    """
    if inside is None or not inside.any():
        step = subsampling_step(vectors.shape[:3], VOXEL_LIMIT)
        grid = Conversion.gridOfVectors(vectors[::step, ::step, ::step], geometry, step)
        if inverse is not None:
            grid.Inverse()  # which VTK finds where an arrow is, and nowhere else
        return grid
    box, geometry = _boxAbout(inside, vectors, geometry)
    vectors, inside = vectors[box], inside[box]
    step = subsampling_step(vectors.shape[:3], VOXEL_LIMIT)
    points, vectors = _points(vectors.shape[:3], geometry, step), vectors[::step, ::step, ::step]
    fixedPoints = points
    if inverse is not None:
        fixedPoints = _transformed(points, inverse)
        vectors = fixedPoints - points
    shown = _isNearInside(inside, fixedPoints, geometry, step)
    return Conversion.gridOfVectors(np.where(shown[..., None], vectors, NO_ARROW_MM), geometry, step)


def _boxAbout(inside, vectors, geometry):
    """(slices of the box that holds what is inside and where it moves, the geometry of that box)."""
    ends = [np.flatnonzero(inside.any(axis=others))[[0, -1]] for others in ((1, 2), (0, 2), (0, 1))]
    tight = tuple(slice(first, last + 1) for first, last in ends)
    reachMm = np.linalg.norm(vectors[tight], axis=-1).max()
    margins = np.ceil(reachMm / np.linalg.norm(geometry[:3, :3], axis=0)[::-1]).astype(int) + MARGIN_VOXELS
    box = tuple(slice(max(s.start - margin, 0), s.stop + margin) for s, margin in zip(tight, margins, strict=True))
    moved = geometry.copy()
    moved[:3, 3] = (geometry @ (*(s.start for s in box[::-1]), 1))[:3]
    return box, moved


def _points(shape, geometry, step):
    """(z, y, x, 3) RAS mm of every step-th voxel centre."""
    z, y, x = np.meshgrid(*(np.arange(0, n, step) for n in shape), indexing="ij")
    return np.stack([x, y, z], axis=-1) @ geometry[:3, :3].T + geometry[:3, 3]


def _transformed(points, transform):
    before, after = vtk.vtkPoints(), vtk.vtkPoints()
    before.SetDataTypeToDouble()
    before.SetData(numpy_to_vtk(np.ascontiguousarray(points.reshape(-1, 3)), deep=True))
    after.SetDataTypeToDouble()
    transform.TransformPoints(before, after)
    return vtk_to_numpy(after.GetData()).reshape(points.shape).copy()


def _isNearInside(inside, fixedPoints, geometry, step):
    """Which of the vectors an arrow inside is interpolated from."""
    index = np.rint((fixedPoints - geometry[:3, 3]) @ np.linalg.inv(geometry[:3, :3]).T).astype(int)[..., ::-1]
    inGrid = ((index >= 0) & (index < inside.shape)).all(axis=-1)
    k, j, i = np.moveaxis(np.clip(index, 0, np.array(inside.shape) - 1), -1, 0)
    return _dilate(inGrid & _dilate(inside, step - 1)[k, j, i], 1)


def _dilate(mask, radius):
    """By that many voxels along each axis and across."""
    for axis in radius * (0, 1, 2):
        values = np.moveaxis(mask, axis, 0)
        mask = mask.copy()
        dilated = np.moveaxis(mask, axis, 0)
        dilated[1:] |= values[:-1]
        dilated[:-1] |= values[1:]
    return mask
