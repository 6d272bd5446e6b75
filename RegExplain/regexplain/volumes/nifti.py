"""NIfTI files read as their own headers say, by nibabel.

ITK's reader takes another file of the same name (`scan.nii` for `scan.nii.gz`), reads NaN and the missing end of a file
as 0, and chooses between two positions without a word.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from .geometry import set_geometry
from .memory import check_memory
from .nifti_position import grid_of
from .stderr_capture import capture_stderr

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".img.gz")
GZIP = b"\x1f\x8b"
HEADER_BYTES = 540
DISPLACEMENT, VECTOR = 1006, 1007  # intents; displacements lie along the patient's axes, RAS here and LPS in ITK
COLOURS = (128, 2304)  # types of data
TRUNCATED = "is truncated or damaged; copy it again from its source."


def is_nifti(path: Path) -> bool:
    """Whether a file is named as one, or as one of Analyze, which NIfTI grew out of."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: Path, role: str, warn: Callable[[str], None]) -> sitk.Image | None:
    """The image, of any dimension; None for what is none of NIfTI in spite of its name.

    Of two positions that lie apart, the one that Slicer takes is taken, with a warning. `role` names the image in
    messages. Raises BadInputError.
    """
    import nibabel
    from nibabel.fileholders import FileHolder

    label = f"The {role} {path.name}"
    files = _files(path, role)
    start = _content(files["header"], label, HEADER_BYTES)
    kind = _kind(start)
    if kind is None or (len(set(files.values())) == 1) != (kind in (nibabel.Nifti1Image, nibabel.Nifti2Image)):
        return None
    try:
        header = kind.header_class.from_fileobj(BytesIO(start), check=False)
        check_memory(header.get_data_shape(), role)
        contents = {file: _content(file, label) for file in set(files.values())}
        holders = {name: FileHolder(fileobj=BytesIO(contents[file])) for name, file in files.items()}
        with capture_stderr():
            values = _values(kind.from_file_map(holders))
    except (OSError, EOFError) as error:
        raise BadInputError(f"{label} {TRUNCATED}") from error
    except (ValueError, TypeError, nibabel.wrapstruct.WrapStructError, nibabel.spatialimages.HeaderDataError) as error:
        raise BadInputError(
            f"{label} is not an image that can be read, or is damaged; try opening it in Slicer and saving it as .nrrd."
        ) from error
    return None if kind is nibabel.AnalyzeImage else _image(header, values, label, warn)


def _files(path: Path, role: str) -> dict[str, Path]:
    """The file that holds the header and the one that holds the voxels, which is the same but for pairs."""
    name, lower = path.name, path.name.lower()
    if lower.endswith((".nii", ".nii.gz")):
        return {"header": path, "image": path}
    stem = name[: lower.rindex(".hdr" if lower.endswith(".hdr") else ".img")]
    beside = {file.name.lower(): file for file in path.parent.iterdir() if file.name.startswith(stem)}
    files = {}
    for part, ends in (("header", [".hdr"]), ("image", [".img", ".img.gz"])):
        matching = [beside[(stem + end).lower()] for end in ends if (stem + end).lower() in beside]
        if not matching:
            raise BadInputError(
                f"The {role} {name} is one of two files, and {stem}{ends[0]} is missing beside it; give both."
            )
        files[part] = path if lower.endswith(tuple(ends)) else matching[0]
    return files


def _content(file: Path, label: str, size: int = -1) -> bytes:
    """What a file holds, unpacked where it is packed, whatever its name says."""
    try:
        with file.open("rb") as plain:
            packed = plain.read(2) == GZIP
        with gzip.open(file) if packed else file.open("rb") as stream:
            return stream.read(size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInputError(f"{label} {TRUNCATED}") from error


def _kind(start: bytes) -> Any:
    """The class of nibabel that reads what begins like this; None for none."""
    import nibabel

    kinds = {b"n+1\0": nibabel.Nifti1Image, b"ni1\0": nibabel.Nifti1Pair}
    kinds |= {b"n+2\0": nibabel.Nifti2Image, b"ni2\0": nibabel.Nifti2Pair}
    is_analyze = start[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c")  # 348, its size
    return kinds.get(start[344:348]) or kinds.get(start[4:8]) or (nibabel.AnalyzeImage if is_analyze else None)


def _values(image: Any) -> np.ndarray:
    """(x, y, z, …) in the type of the file, or as floats where it has a slope and an offset."""
    proxy = image.dataobj
    if (proxy.slope, proxy.inter) == (1, 0):
        values = proxy.get_unscaled()
    else:
        values = np.asarray(proxy, np.result_type(np.float32, proxy.dtype))
    if values.dtype.fields:  # colours
        values = np.stack([values[name] for name in values.dtype.names], -1).reshape(*values.shape[:3], 1, -1)
    if values.dtype.itemsize > 8 and values.dtype.kind == "f":
        values = values.astype(np.float64)
    return np.asarray(values, values.dtype.newbyteorder("="))


def _image(header: Any, values: np.ndarray, label: str, warn: Callable[[str], None]) -> sitk.Image:
    is_vectors = int(header["intent_code"]) in (DISPLACEMENT, VECTOR) or int(header["datatype"]) in COLOURS
    vectors = is_vectors and values.ndim == 5 and values.shape[3] == 1
    if vectors:
        values = values[:, :, :, 0]
        if int(header["intent_code"]) == DISPLACEMENT:
            values = values * np.array([-1, -1, 1], values.dtype)
    axes = [*range(values.ndim - vectors)][::-1]
    image = sitk.GetImageFromArray(values.transpose(*axes, *[3] * vectors), isVector=vectors)
    image.SetMetaData("intent_name", header["intent_name"].item().decode("latin-1"))
    if len(axes) >= 3:
        set_geometry(image, grid_of(header, values.shape[:3], label, warn))
    return image
