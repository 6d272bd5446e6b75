"""The parts of a composite transform, and where its fields are defined."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid
from .itk import as_affine, grid_points, to_displacement_field
from .itk_files import nth_transform

WORDS = {"DisplacementFieldTransform": "displacement field", "BSplineTransform": "B-spline"}
MAX_DEPTH = 20  # composites of one within one another
EDGE_MM = 1e-3  # a point on the edge of a box lies in it, whatever rounding says


def flatten_composite(transform: sitk.Transform) -> list[sitk.Transform]:
    """The transforms that a composite is made of, itself else; in the order that a point goes through them."""
    if transform.GetName() != "CompositeTransform":
        return [transform]
    if _wraps_unknown(transform):
        return [as_affine(transform) if transform.IsLinear() else transform]
    composite = sitk.CompositeTransform(transform)
    numbers = range(composite.GetNumberOfTransforms())
    return [part for n in reversed(numbers) for part in flatten_composite(nth_transform(composite, n))]


def _wraps_unknown(transform: sitk.Transform) -> bool:
    """Whether it is a kind that SimpleITK does not know, MatrixOffsetTransformBase for one.

    That is given as a composite of one, whose one part is again a composite of one, and so on without end.
    """
    for _ in range(MAX_DEPTH):
        if transform.GetName() != "CompositeTransform":
            return False
        composite = sitk.CompositeTransform(transform)
        if composite.GetNumberOfTransforms() != 1:
            return False
        transform = nth_transform(composite, 0)
    return True


def transform_kind(part: sitk.Transform) -> str:
    """What kind of transform it is: "affine", "B-spline"; of others ITK's name."""
    name = part.GetName()
    return WORDS.get(name) or ("affine" if part.IsLinear() else name.removesuffix("Transform"))


def coverage_mask(transform: sitk.Transform, grid: Grid) -> np.ndarray:
    """(z, y, x) bool: the voxels of `grid` whose way leads through the box of every field and B-spline.

    Beyond its box ITK lets such a part move nothing.
    """
    inside = np.ones(grid.size[::-1], bool)
    before: list[sitk.Transform] = []
    for part in flatten_composite(transform):
        box = _box(part)
        if box is not None:
            points = grid_points(grid)
            if before:
                points += sitk.GetArrayFromImage(to_displacement_field(sitk.CompositeTransform(before[::-1]), grid))
            corner, axes, extent = box
            along = (points - corner) @ axes
            inside &= ((along >= -EDGE_MM) & (along <= extent + EDGE_MM)).all(-1)
        before.append(part)
    return inside


def _box(part: sitk.Transform) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Corner (3,), axes (3, 3) in columns and extent (3,) of where a part moves points; None where everywhere."""
    if part.GetName() == "DisplacementFieldTransform":
        grid = Grid.of(sitk.DisplacementFieldTransform(part).GetDisplacementField())
        return grid.corners[0], grid.axes, grid.extent
    if part.GetName() == "BSplineTransform":
        spline = sitk.BSplineTransform(part)
        axes = np.array(spline.GetTransformDomainDirection()).reshape(3, 3)
        return (
            np.array(spline.GetTransformDomainOrigin()),
            axes,
            np.array(spline.GetTransformDomainPhysicalDimensions()),
        )
    return None
