"""Displacement fields stored as images, in the conventions of several programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..volumes.geometry import Grid
from ..volumes.images import read_vectors
from .inversion import invert_displacement
from .itk import grid_points

NIFTYREG = "NREG_TRANS"
DIRECTION = "displacement field type"  # Slicer, in NRRD: which of the two spaces the vectors start from
RAS = np.diag((-1.0, -1.0, 1.0))
SLOPE_SAMPLES = 20_000
POSITION_SLOPES = 0.5, 2.0  # singular values of the slope: a displacement of tissue has smaller ones, a turn one of 0
POSITION_TOLERANCE = 0.5  # how near to the positions themselves


def read_displacement(path: Path) -> sitk.Image:
    """One vector a voxel, mm in LPS, from a fixed point to where it moves. Raises BadInputError.

    Read are displacements (ITK, ANTs, greedy, transformix, Slicer in either direction) and the positions that SPM
    stores instead, in RAS.
    """
    field = read_vectors(path, "transform")
    if _header_value(field, "intent_name") == NIFTYREG:
        raise BadInputError(
            f"{path.name} was written by NiftyReg, whose vectors mean something else than ITK's; give the "
            "transform as an ITK, ANTs or Slicer file."
        )
    direction = _header_value(field, DIRECTION).lower()
    if direction == "modeling":
        return invert_displacement(field)
    if direction not in ("", "resampling"):
        raise BadInputError(
            f"{path.name} is a displacement field of the type {direction}, which is not known here; save it as a "
            "resampling field."
        )
    return _as_displacements(path, field)


def _header_value(image: sitk.Image, key: str) -> str:
    return image.GetMetaData(key).strip("\0 ") if image.HasMetaDataKey(key) else ""


def _as_displacements(path: Path, field: sitk.Image) -> sitk.Image:
    """The field itself, or the displacements of one that holds where each point goes, which grows as the points do."""
    slope = _slope(field)
    sizes = np.linalg.svd(slope, compute_uv=False)
    if sizes.min() < POSITION_SLOPES[0] or sizes.max() > POSITION_SLOPES[1]:
        return field
    if np.linalg.norm(RAS @ slope - np.eye(3)) < np.linalg.norm(slope - np.eye(3)):
        grid, vectors = Grid.of(field), sitk.GetArrayFromImage(field)
        vectors[..., :2] *= -1
        for slab in grid.slabs():
            vectors[slab] -= grid_points(grid.slab(slab))
        return grid.image(vectors, vector=True)
    if np.linalg.norm(slope - np.eye(3)) < POSITION_TOLERANCE:
        raise BadInputError(
            f"{path.name} seems to hold positions, where each voxel goes, and not displacements; subtract the voxel's "
            "own position from each vector."
        )
    return field


def _slope(field: sitk.Image) -> np.ndarray:
    """(3, 3): how the vectors change with the LPS point that they are of, by least squares; zeros where unknown."""
    grid = Grid.of(field)
    thin = grid.subsampled_to(SLOPE_SAMPLES)
    step = round(thin.spacing[0] / grid.spacing[0])
    vectors = sitk.GetArrayViewFromImage(field)[::step, ::step, ::step].reshape(-1, 3).astype(float)
    points = grid_points(thin).reshape(-1, 3)
    finite = np.isfinite(vectors).all(1)
    if finite.sum() < 4:
        return np.zeros((3, 3))
    vectors, points = vectors[finite] - vectors[finite].mean(0), points[finite] - points[finite].mean(0)
    return np.linalg.lstsq(points, vectors, rcond=None)[0].T
