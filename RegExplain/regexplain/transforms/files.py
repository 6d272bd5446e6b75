"""Transform files of other programs, recognised by their content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from .displacement_files import read_displacement
from .elastix_files import is_elastix, read_elastix
from .itk import affine_matrix, as_affine, displacement_transform
from .itk_files import SCANNED_BYTES, TEXT, read_itk_transform
from .matrix_files import read_matrix

IMAGES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img", ".mgz")
SLICER_ONLY = (b"InverseDisplacementField", b"InverseBSpline", b"ThinPlateSpline")  # kinds that ITK does not create
ANTS_ARGUMENT = re.compile(r"\[(.+),\s*([01])\]")  # of antsApplyTransforms: the file, and whether its inverse is meant


def read_transforms(paths: Sequence[str | Path]) -> sitk.Transform:
    """The files as one pull-back, fixed-space points to moving-space points (LPS mm).

    A fixed point goes through them in the order given, which is that of `antsApplyTransforms -t`: the warp, then the
    affine. Raises BadInputError, which names the file, for what is no transform of three dimensions.
    """
    if not paths:
        raise BadInputError("There is no transform to explain; give at least one file.")
    transforms = [read_any_transform(path) for path in paths]
    return transforms[0] if len(transforms) == 1 else sitk.CompositeTransform(transforms[::-1])


def read_any_transform(path: str | Path) -> sitk.Transform:
    """One transform: a file of ITK, ANTs, 3D Slicer, elastix, the MNI tools or FreeSurfer, or a displacement field as
    an image (ANTs, greedy, transformix, Slicer, SPM). `[FILE,1]` is the inverse of a linear one, as in ANTs."""
    argument = ANTS_ARGUMENT.fullmatch(str(path))
    if argument and not Path(path).exists():
        return _read_ants_argument(Path(argument[1]), inverse=argument[2] == "1")
    path = Path(path)
    if path.name.lower().endswith(IMAGES):
        return displacement_transform(read_displacement(path))
    if path.is_file():
        with path.open("rb") as stream:
            start = stream.read(SCANNED_BYTES)
        if is_elastix(start):
            return read_elastix(path)
        matrix = None if start.startswith(TEXT) or b"\0" in start else read_matrix(path, start.decode(errors="replace"))
        if matrix is not None:
            return matrix
        if any(kind in start for kind in SLICER_ONLY):
            raise BadInputError(
                f"{path.name} holds a kind of transform that only Slicer reads; convert it to a displacement field "
                "there (module Transforms, Convert) and save that."
            )
    return read_itk_transform(path)


def _read_ants_argument(path: Path, inverse: bool) -> sitk.Transform:
    transform = read_any_transform(path)
    if not inverse:
        return transform
    if not transform.IsLinear():
        raise BadInputError(
            f"[{path.name},1] is ANTs' way to ask for the inverse, which only a linear transform has so; give the file "
            "of the inverse (ANTs writes it as InverseWarp.nii.gz)."
        )
    linear = as_affine(transform)
    if np.linalg.det(affine_matrix(linear)) == 0:
        raise BadInputError(f"{path.name} flattens space (its determinant is 0); give one that can be undone.")
    return sitk.AffineTransform(linear.GetInverse())


def as_transform(transform: sitk.Transform | sitk.Image) -> sitk.Transform:
    """A transform, or a displacement field as a vector image, as a transform. Raises BadInputError."""
    if isinstance(transform, sitk.Image):
        if transform.GetDimension() != 3 or transform.GetNumberOfComponentsPerPixel() != 3:
            raise BadInputError("A displacement field needs three dimensions, and a vector of three mm in each voxel.")
        return displacement_transform(transform)
    if transform.GetDimension() != 3:
        raise BadInputError(f"The transform is {transform.GetDimension()}-D; a 3-D one is needed.")
    return transform
