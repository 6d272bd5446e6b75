"""Transforms that other programs wrote: what ITK reads, and displacement fields stored as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import SimpleITK as sitk

from .errors import BadInputError
from .images import read_vectors
from .transforms import displacement_transform, read_itk_transform

IMAGES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img", ".mgz")
ELASTIX = b"(Transform "
SLICER_ONLY = (b"InverseDisplacementField", b"InverseBSpline", b"ThinPlateSpline")  # kinds that ITK does not create
SCANNED_BYTES = 1_000_000  # where a file names its kind
NIFTYREG = "NREG_TRANS"


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
    """One transform file of ITK, ANTs or 3D Slicer, or a displacement field as an image (ANTs, greedy, transformix)."""
    path = Path(path)
    if path.name.lower().endswith(IMAGES):
        return displacement_transform(read_displacement(path))
    if path.is_file():
        _refuse_by_content(path)
    return read_itk_transform(path)


def _refuse_by_content(path: Path) -> None:
    """What ITK would only call unreadable, where the file itself tells what it is and so what to do."""
    with path.open("rb") as stream:
        start = stream.read(SCANNED_BYTES)
    if ELASTIX in start:
        raise BadInputError(
            f"{path.name} is a parameter file of elastix, which ITK does not read; run `transformix -def all -tp "
            f"{path.name} -out FOLDER` and give the deformationField image it writes."
        )
    if any(kind in start for kind in SLICER_ONLY):
        raise BadInputError(
            f"{path.name} holds a kind of transform that only Slicer reads; convert it to a displacement field there "
            "(module Transforms, Convert) and save that."
        )


def read_displacement(path: Path) -> sitk.Image:
    """A displacement field stored as an image: one vector a voxel, mm in LPS, a fixed point to where it moves."""
    field = read_vectors(path, "transform")
    if field.HasMetaDataKey("intent_name") and field.GetMetaData("intent_name").strip("\0 ") == NIFTYREG:
        raise BadInputError(
            f"{path.name} was written by NiftyReg, whose vectors mean something else than ITK's; give the "
            "transform as an ITK, ANTs or Slicer file."
        )
    return field


def as_transform(given: sitk.Transform | sitk.Image) -> sitk.Transform:
    """A transform, or a displacement field as a vector image, as a transform. Raises BadInputError."""
    if isinstance(given, sitk.Image):
        if given.GetDimension() != 3 or given.GetNumberOfComponentsPerPixel() != 3:
            raise BadInputError("A displacement field needs three dimensions, and a vector of three mm in each voxel.")
        return displacement_transform(given)
    if given.GetDimension() != 3:
        raise BadInputError(f"The transform is {given.GetDimension()}-D; a 3-D one is needed.")
    return given
