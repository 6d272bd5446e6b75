"""The numbers in DICOM files, each slice with its own slope and offset."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from .dicom_headers import Slice
from .stderr_capture import capture_stderr


def stack_pixels(slices: list[Slice], role: str) -> np.ndarray:
    """(z, y, x) in the order of the slices: whole numbers where all are, else float32. Raises BadInputError."""
    planes: dict[int, np.ndarray] = {}
    for path in dict.fromkeys(one.path for one in slices):
        inside = {n: one for n, one in enumerate(slices) if one.path == path}
        try:
            planes |= _planes(path, inside)
        except (RuntimeError, ValueError, KeyError, AttributeError, EOFError) as error:
            raise BadInputError(
                f"The file {path.name} of the {role} is truncated or damaged, or packed in a way that cannot be read; "
                "copy it again from its source."
            ) from error
    kind = np.result_type(*{plane.dtype for plane in planes.values()})
    return np.stack([planes[n] for n in range(len(slices))], dtype=np.float32 if kind.kind == "f" else kind)


def _planes(path: Path, slices: dict[int, Slice]) -> dict[int, np.ndarray]:
    """The planes of the slices of one file. GDCM knows one slope and offset a file, pydicom does not unpack JPEG."""
    first = next(iter(slices.values()))
    if first.frame is not None and (stored := _read_stored(path, first.size)) is not None:
        return {n: _rescale(stored[one.frame], *one.scaling) for n, one in slices.items()}
    if len({one.scaling for one in slices.values()}) > 1:
        raise ValueError("compressed frames of several slopes")
    with capture_stderr():
        scaled = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))
    return {n: scaled[one.frame or 0].reshape(one.size) for n, one in slices.items()}


def _read_stored(path: Path, size: tuple[int, int]) -> np.ndarray | None:
    """(frames, y, x), as stored; None where they are compressed."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pydicom.dcmread(path, force=True)
        if file.file_meta.TransferSyntaxUID.is_compressed:
            return None
        return file.pixel_array.reshape(-1, *size)


def _rescale(stored: np.ndarray, slope: float, offset: float) -> np.ndarray:
    if (slope, offset) == (1, 0):
        return stored
    whole = stored.dtype.kind != "f" and slope.is_integer() and offset.is_integer()
    return (stored * slope + offset).astype(np.int32 if whole else np.float32)
