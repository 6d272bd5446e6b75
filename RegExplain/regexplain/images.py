"""Volumes and segmentations from files, checked so that everything behind can rely on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from . import dicom, nifti
from .chatter import unheard
from .errors import BadInputError
from .geometry import Grid
from .memory import check_memory


def read_volume(
    path: str | Path, role: str = "image", series: str | None = None, warn: Callable[[str], None] = lambda message: None
) -> sitk.Image:
    """A 3-D scalar image of any type from a file, or from a folder of DICOM, without its metadata.

    role: names it in messages ("fixed image"). series: which volume of a folder that holds several. warn: gets what was
    noticed of an image that can be read nevertheless. Raises BadInputError.
    """
    image = _read(Path(path), role, series, warn)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    check_volume(image, role)
    return without_metadata(image)


def check_volume(image: sitk.Image, role: str = "image") -> None:
    """Raises BadInputError unless `image` can be registered."""
    if image.GetDimension() != 3:
        raise BadInputError(
            f"The {role} is {image.GetDimension()}-D; give one 3-D volume (of a time series, extract one frame)."
        )
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise BadInputError(
            f"The {role} has several values per voxel (colour, vector or complex); give a scalar volume."
        )
    if min(image.GetSize()) < 2:
        size = " × ".join(map(str, image.GetSize()))
        raise BadInputError(f"The {role} is one voxel thick ({size} voxels); give a volume of at least two slices.")
    _check_finite(image, role)
    values = sitk.GetArrayViewFromImage(image)
    if values.min() == values.max():
        raise BadInputError(
            f"The {role} has the same value ({values.flat[0]}) in every voxel; check that the right file was given."
        )


def _check_finite(image: sitk.Image, role: str) -> None:
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise BadInputError(
            f"The {role} has {count} voxels that are NaN or infinite; replace them by a number and try again."
        )


def read_segmentation(
    path: str | Path,
    image: sitk.Image,
    role: str = "segmentation",
    warn: Callable[[str], None] = lambda message: None,
) -> sitk.Image:
    """A label map, laid on the grid of `image` by nearest neighbour; uint8 or uint16."""
    return fitted_segmentation(_read(Path(path), role, None, warn), image, role)


def fitted_segmentation(labels: sitk.Image, image: sitk.Image, role: str = "segmentation") -> sitk.Image:
    """The label map on the grid of `image`. Raises BadInputError for what is no label map, or one of another place."""
    if labels.GetDimension() != 3 or labels.GetNumberOfComponentsPerPixel() != 1:
        raise BadInputError(
            f"The {role} is not one 3-D label map; export it as a label map (one number a voxel) first."
        )
    values = sitk.GetArrayViewFromImage(labels)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise BadInputError(f"The {role} has values that are not whole numbers; give a label map, not an image.")
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise BadInputError(f"The {role} has labels outside 0–65535; give a label map, not an image.")
    if values.max() == 0:
        raise BadInputError(f"The {role} is empty (no voxel above 0); check that the right file was given.")
    labels = sitk.Cast(labels, sitk.sitkUInt8 if values.max() < 256 else sitk.sitkUInt16)
    fitted = Grid.of(image).sample(without_metadata(labels), nearest=True)
    if not sitk.GetArrayViewFromImage(fitted).any():
        raise BadInputError(
            f"The {role} does not lie on its image: none of its voxels is inside; check that the two belong together."
        )
    return fitted


def read_vectors(path: str | Path, role: str) -> sitk.Image:
    """A 3-D image of three numbers a voxel. Raises BadInputError."""
    image = _read(Path(path), role)
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 3:
        raise BadInputError(
            f"The {role} {Path(path).name} is an image, but no displacement field, one vector a voxel, as ITK and "
            "ANTs write it (in NIfTI: 5-D, with the intent vector); give a field, or a transform file."
        )
    _check_finite(image, f"{role} {Path(path).name}")
    return image


def labels_of(segmentation: sitk.Image) -> list[int]:
    """The labels that occur, ascending, without 0."""
    return [int(v) for v in np.unique(sitk.GetArrayViewFromImage(segmentation)) if v]


def without_metadata(image: sitk.Image) -> sitk.Image:
    """The same voxels and geometry, and nothing else: headers can carry names."""
    image = sitk.Image(image)
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image


def write_image(image: sitk.Image, path: Path) -> None:
    """Compressed where the format can. Raises OSError where the disk refuses."""
    with itk_writing(path):
        sitk.WriteImage(image, str(path), True)


@contextmanager
def itk_writing(path: Path) -> Iterator[None]:
    """ITK reports a disk that refuses as a RuntimeError; here it is the OSError it is, and nothing on the terminal."""
    try:
        with unheard():
            yield
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be written") from error


def _read(
    path: Path, role: str, series: str | None = None, warn: Callable[[str], None] = lambda message: None
) -> sitk.Image:
    if not path.exists():
        raise BadInputError(f"There is no {role} at {path}.")
    if dicom.is_dicom(path):
        return dicom.read(path, role, series, warn)
    if series is not None:
        raise BadInputError(f"The {role} {path.name} is no DICOM, so it has no series to choose; leave the choice out.")
    if path.stat().st_size == 0:
        raise BadInputError(f"The {role} {path.name} is an empty file.")
    if nifti.is_nifti(path) and (image := nifti.read(path, role, warn)) is not None:
        return image
    return _read_by_itk(path, role)


def _read_by_itk(path: Path, role: str) -> sitk.Image:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with unheard():
            reader.ReadImageInformation()
            check_memory(reader.GetSize(), role)
            return reader.Execute()
    except RuntimeError as error:
        raise BadInputError(
            f"The {role} {path.name} is not an image that can be read, or is damaged; try opening it "
            "in Slicer and saving it as .nrrd."
        ) from error
