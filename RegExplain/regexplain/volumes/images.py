"""Read and check volumes and segmentations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from . import dicom, nifti
from .geometry import Grid
from .memory import check_memory
from .segmentations import label_map, match_labels, names_of, with_names
from .stderr_capture import capture_stderr

MIN_SIZE = 5  # voxels along the second shortest axis; slabs of a few slices are fine
MIN_DIFFERING_SHARE = 1e-3  # of the voxels, that differ from the most frequent value
SAMPLED_VOXELS = 100_000  # voxels among which it is looked for
ROUNDING = 1e-6  # of the largest value: less than float32 tells apart


def read_volume(
    path: str | Path, role: str = "image", series: str | None = None, warn: Callable[[str], None] = lambda message: None
) -> sitk.Image:
    """A 3-D scalar image of any type from a file, or from a folder of DICOM, without its metadata.

    role: names it in messages ("fixed image"). series: which volume of a folder that holds several. warn: called with
    each warning. Raises BadInputError.
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
    if sorted(image.GetSize())[1] < MIN_SIZE:
        size = " × ".join(map(str, image.GetSize()))
        raise BadInputError(
            f"The {role} is too small to register ({size} voxels); give one of at least {MIN_SIZE} voxels along two "
            "axes."
        )
    _check_finite(image, role)
    _check_contrast(image, role)


def _check_contrast(image: sitk.Image, role: str) -> None:
    values = sitk.GetArrayViewFromImage(image)
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise BadInputError(
            f"The {role} has the same value ({values.flat[0]}) in every voxel; check that the right file was given."
        )
    usual = float(np.percentile(values.ravel()[:: max(1, values.size // SAMPLED_VOXELS)], 50, method="lower"))
    others = np.count_nonzero(values != usual)
    if others < MIN_DIFFERING_SHARE * values.size or high - low < ROUNDING * max(abs(low), abs(high)):
        raise BadInputError(
            f"The {role} is almost the same value ({usual:.6g}) everywhere, but for {others} of its {values.size} "
            "voxels; check that the right file was given."
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
    """A label map, resampled onto the grid of `image` by nearest neighbour, with the names that the file has."""
    return resample_segmentation(_read(Path(path), role, None, warn), image, role)


def read_pair(
    files: Mapping[str, str | Path | None],
    series: Mapping[str, str | None] | None = None,
    warn: Callable[[str], None] = lambda message: None,
) -> dict[str, sitk.Image]:
    """Two images with their segmentations and masks, by the names of the arguments of `register`.

    files: by "fixed", "moving", "fixed_segmentation", "moving_mask", …; None and what is left out are not read.
    series: of an image, as in `read_volume`. Raises BadInputError.
    """
    images = {
        role: read_volume(files[role] or "", f"{role} image", (series or {}).get(role), warn)
        for role in ("fixed", "moving")
    }
    for role in ("fixed", "moving"):
        for labels in ("segmentation", "mask"):
            path = files.get(f"{role}_{labels}")
            if path:
                images[f"{role}_{labels}"] = read_segmentation(path, images[role], f"{role} {labels}", warn)
    return images


def resample_segmentation(labels: sitk.Image, image: sitk.Image, role: str = "segmentation") -> sitk.Image:
    """The segmentation as one label map on the grid of `image`; uint8, uint16 or uint32, with names (`names_of`).

    Raises BadInputError for what is no segmentation, or one of another place.
    """
    flat = label_map(labels, role)
    fitted = Grid.of(image).resample(flat, nearest=True)
    if not sitk.GetArrayViewFromImage(fitted).any():
        raise BadInputError(
            f"The {role} does not lie on its image: none of its voxels is inside; check that the two belong together."
        )
    return with_names(fitted, names_of(flat))


def resample_segmentation_pair(
    fixed: sitk.Image | None, moving: sitk.Image | None, images: tuple[sitk.Image, sitk.Image]
) -> tuple[sitk.Image | None, sitk.Image | None, str | None]:
    """Both segmentations, where given, each on its image's grid and with one numbering (`match_labels`); a warning."""
    of_fixed = None if fixed is None else resample_segmentation(fixed, images[0], "fixed segmentation")
    of_moving = None if moving is None else resample_segmentation(moving, images[1], "moving segmentation")
    if of_fixed is None or of_moving is None:
        return of_fixed, of_moving, None
    return of_fixed, *match_labels(of_fixed, of_moving)


def mask_image(image: sitk.Image, mask: sitk.Image | None) -> sitk.Image:
    """`image` with its minimum where a mask on its grid is 0; unchanged without a mask."""
    if mask is None:
        return image
    array = sitk.GetArrayFromImage(image)
    array[sitk.GetArrayViewFromImage(mask) == 0] = array.min()
    return Grid.of(image).image(array)


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


def without_metadata(image: sitk.Image) -> sitk.Image:
    """The same voxels and geometry, and nothing else: headers can carry names."""
    image = sitk.Image(image)
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image


def write_image(image: sitk.Image, path: Path) -> None:
    """Compressed where the format can. Raises OSError where the disk refuses."""
    with itk_write_errors(path):
        sitk.WriteImage(image, str(path), True)


@contextmanager
def itk_write_errors(path: Path) -> Iterator[None]:
    """Turns ITK's RuntimeError of a failed write into an OSError, and captures what ITK prints."""
    try:
        with capture_stderr():
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
        with capture_stderr():
            reader.ReadImageInformation()
            check_memory(reader.GetSize(), role)
            return reader.Execute()
    except RuntimeError as error:
        raise BadInputError(
            f"The {role} {path.name} is not an image that can be read, or is damaged; try opening it "
            "in Slicer and saving it as .nrrd."
        ) from error
