"""The one transform a registration gives: an affine alignment and, where a model moved tissue, a displacement.

`moving point = alignment(fixed point + u(fixed point))`, LPS millimetres; on disk an ITK composite of exactly these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..volumes.geometry import Grid
from ..volumes.images import itk_write_errors
from .itk_files import read_itk_transform


@dataclass
class RegistrationTransform:
    """Fixed-space points to moving-space points. `displacement`: vector image of floats, LPS mm, on the fixed grid."""

    alignment: sitk.AffineTransform
    displacement: sitk.Image | None = None

    def itk(self) -> sitk.CompositeTransform:
        """The whole as one ITK transform; ITK applies the last added first."""
        composite = sitk.CompositeTransform(3)
        composite.AddTransform(self.alignment)
        if self.displacement is not None:
            composite.AddTransform(displacement_transform(self.displacement))
        return composite

    def sampled(self, grid: Grid) -> RegistrationTransform:
        """The same at the points of `grid`, in as much memory as that takes."""
        if self.displacement is None:
            return self
        return RegistrationTransform(self.alignment, resample_displacement(self.displacement, grid))

    def end_points(self, grid: Grid, first: RegistrationTransform) -> np.ndarray:
        """(z, y, x, 3), LPS mm: where first(point), then this leads each point of `grid`. Nothing of the size of the
        displacements is copied; beyond its box a displacement is that of its border."""
        there = first.sampled(grid).itk()
        points = grid_points(grid) + sitk.GetArrayFromImage(to_displacement_field(there, grid))
        if self.displacement is not None:
            points += sitk.GetArrayFromImage(_resample(self.displacement, grid, there))
        return apply_affine(self.alignment, points)

    def write(self, path: Path) -> None:
        """Raises OSError where the disk refuses."""
        transform = self.itk()
        with itk_write_errors(path):
            sitk.WriteTransform(transform, str(path))


def compose_inverse(
    alignment: sitk.AffineTransform, displacement: sitk.Image | None, moving: Grid
) -> RegistrationTransform:
    """Moving-space points to fixed-space points, in the same form as the forward transform; float32, on `moving`.

    `displacement` w is the pull-back in fixed space that undoes the forward one: fixed = q + w(q) with
    q = alignment⁻¹(moving).
    """
    back = sitk.AffineTransform(alignment.GetInverse())
    if displacement is None:
        return RegistrationTransform(back)
    vectors, w = np.empty((*moving.size[::-1], 3), np.float32), sitk.Cast(displacement, sitk.sitkVectorFloat64)
    for slab in moving.slabs():
        part = moving.slab(slab)
        points = grid_points(part)
        undone = apply_affine(back, points) + sitk.GetArrayFromImage(_resample(w, part, back))
        vectors[slab] = apply_affine(alignment, undone) - points
    return RegistrationTransform(back, moving.image(vectors, vector=True))


def resample_displacement(displacement: sitk.Image, grid: Grid, transform: sitk.Transform | None = None) -> sitk.Image:
    """`displacement` at transform(point) for each point of `grid`, its border value outside its own box; float64."""
    return sitk.Cast(_resample(displacement, grid, transform), sitk.sitkVectorFloat64)


def _resample(image: sitk.Image, grid: Grid, transform: sitk.Transform | None) -> sitk.Image:
    """By linear interpolation, in the image's own type; beyond its box the value of its border."""
    transform = transform or sitk.Transform(3, sitk.sitkIdentity)
    where = grid.size, transform, sitk.sitkLinear, grid.origin, grid.spacing, grid.direction
    return sitk.Resample(image, *where, 0.0, image.GetPixelID(), True)


def read_transform(path: str | Path) -> RegistrationTransform:
    """What `RegistrationTransform.write` wrote. Raises BadInputError for anything else."""
    transform = read_itk_transform(path)
    parts = [transform]
    if transform.GetName() == "CompositeTransform":
        composite = sitk.CompositeTransform(transform)
        parts = [composite.GetNthTransform(n) for n in range(composite.GetNumberOfTransforms())]
    if (
        len(parts) > 2
        or not parts[0].IsLinear()
        or (len(parts) == 2 and parts[1].GetName() != "DisplacementFieldTransform")
    ):
        raise BadInputError(
            f"{Path(path).name} is not a RegExplain transform (one affine, then one displacement field)."
        )
    field = sitk.DisplacementFieldTransform(parts[1]).GetDisplacementField() if len(parts) == 2 else None
    return RegistrationTransform(as_affine(parts[0]), field)


def as_affine(transform: sitk.Transform) -> sitk.AffineTransform:
    """Any linear transform as an affine about the origin."""
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(e))) - origin for e in np.eye(3)]
    return affine_transform(np.stack(columns, 1), origin)


def affine_transform(matrix: np.ndarray, translation: np.ndarray) -> sitk.AffineTransform:
    """p → matrix · p + translation."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(np.asarray(matrix, float).ravel().tolist())
    transform.SetTranslation(np.asarray(translation, float).tolist())
    return transform


def affine_matrix(transform: sitk.AffineTransform) -> np.ndarray:
    """(4, 4), LPS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def apply_affine(transform: sitk.AffineTransform, points: np.ndarray) -> np.ndarray:
    """(..., 3) points."""
    matrix = affine_matrix(transform)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def displacement_transform(displacement: sitk.Image) -> sitk.DisplacementFieldTransform:
    """ITK's transform takes its image's memory, so it gets a copy."""
    return sitk.DisplacementFieldTransform(sitk.Cast(sitk.Image(displacement), sitk.sitkVectorFloat64))


def to_displacement_field(transform: sitk.Transform, grid: Grid) -> sitk.Image:
    """transform(point) − point for each point of `grid`: a vector image, float64, LPS mm."""
    return sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.size, grid.origin, grid.spacing, grid.direction
    )


def grid_points(grid: Grid) -> np.ndarray:
    """(z, y, x, 3), LPS mm of every voxel centre."""
    x, y, z = (np.arange(n) for n in grid.size)
    index = np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], -1)
    return grid.world(index)
