"""Transform files of ITK, read only where they are whole: ITK itself reads some of them in part, without an error."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import SimpleITK as sitk

from ..errors import BadInputError, damaged_file
from ..volumes.stderr_capture import capture_stderr

TEXT, HDF5 = b"#Insight Transform File", b"\x89HDF\r\n\x1a\n"
SCANNED_BYTES = 1_000_000  # where a file says what it is
GROUP = b"TransformGroup"  # what ITK's HDF5 files hold
GRIDDED = ("BSplineTransform", "DisplacementFieldTransform")
GRID_NUMBERS = 18  # size, origin, spacing and direction of a 3-D grid
MORE_THAN_ONE = "more than one transform in the file"  # SimpleITK's warning
MAT_BYTES = (8, 4, 4, 2, 2, 1)  # of a number, by the type that a MATLAB 4 file names


def read_itk_transform(path: str | Path) -> sitk.Transform:
    """Any ITK transform file of three dimensions. Raises BadInputError, also where only a part of it would be read."""
    path = Path(path)
    if not path.exists():
        raise BadInputError(f"There is no transform file {path}.")
    start = b""
    if path.is_file():
        with path.open("rb") as stream:
            start = stream.read(SCANNED_BYTES)
        if not start:
            raise BadInputError(f"The transform {path.name} is an empty file; copy it again from its source.")
        _check_whole(path, start)
    with capture_stderr() as captured:
        try:
            transform = _read(path)
        except RuntimeError as error:
            transform, message = None, str(error)
    if transform is None:
        raise _unreadable(path, start, message + captured[0])
    if MORE_THAN_ONE in captured[0]:
        raise _several(path, "several")
    if transform.GetDimension() != 3:
        raise BadInputError(f"{path.name} is a {transform.GetDimension()}-D transform; a 3-D one is needed.")
    return transform


def nth_transform(composite: sitk.CompositeTransform, n: int) -> sitk.Transform:
    """A part of a composite, also of a kind for which SimpleITK has no Python class."""
    try:
        return composite.GetNthTransform(n)
    except KeyError:
        from SimpleITK import _SimpleITK  # type: ignore[attr-defined]

        return _SimpleITK.CompositeTransform_GetNthTransform(composite, n)


def _read(path: Path) -> sitk.Transform:
    try:
        return sitk.ReadTransform(str(path))
    except KeyError:  # no Python class for this kind, ComposeScaleSkewVersor3DTransform; the transform itself is there
        from SimpleITK import _SimpleITK  # type: ignore[attr-defined]

        return _SimpleITK.ReadTransform(str(path))


def _check_whole(path: Path, start: bytes) -> None:
    """Raises BadInputError for a text or MATLAB file that ends too early, or holds more than the one that is read."""
    if start.startswith(TEXT):
        names = _names_in_text(path)
    elif path.suffix.lower() == ".mat":
        names = _names_in_mat(path, path.read_bytes())
    else:
        return
    if len(names) > 1 and not names[0].startswith("CompositeTransform"):
        raise _several(path, str(len(names)))


def _names_in_text(path: Path) -> list[str]:
    """Of each transform; its parameters come before its fixed parameters, so a file that was cut lacks these."""
    names: list[str] = []
    fixed: list[list[str] | None] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("Transform:"):
                names.append(line.partition(":")[2].strip())
                fixed.append(None)
            elif line.startswith("FixedParameters:") and fixed:
                fixed[-1] = line.split()[1:]
    for name, numbers in zip(names, fixed, strict=True):
        gridded = name.startswith(GRIDDED) and "_3_3" in name
        cut = numbers is None or (gridded and len(numbers) != GRID_NUMBERS)
        if cut and not name.startswith("CompositeTransform"):
            raise damaged_file(path)
    return names


def _names_in_mat(path: Path, content: bytes) -> list[str]:
    """MATLAB 4: a header of five integers before each array; a transform is an array under its name, then "fixed"."""
    names, place = [], 0
    while place < len(content):
        header = content[place : place + 20]
        if len(header) < 20:
            raise damaged_file(path)
        kind, rows, columns, _, name_bytes = struct.unpack("<5i", header)
        if not 0 <= kind <= 51:
            return []  # no such file, or of another byte order: ITK says
        end = place + 20 + name_bytes + rows * columns * MAT_BYTES[kind // 10 % 10]
        if end > len(content):
            raise damaged_file(path)
        names.append(content[place + 20 : place + 20 + name_bytes].rstrip(b"\0").decode(errors="replace"))
        place = end
    return [name for name in names if name != "fixed"]


def _unreadable(path: Path, start: bytes, message: str) -> BadInputError:
    if unknown := re.search(r'create an instance of "([A-Za-z0-9]+)', message):
        return BadInputError(
            f"{path.name} holds a {unknown[1]}, which this ITK does not know; save it as a displacement field with the "
            "program that wrote it."
        )
    if start.startswith(HDF5) and (GROUP in start or "truncated" in message):
        return damaged_file(path)
    return BadInputError(f"{path.name} is not a transform that ITK reads; save it as .h5 or .tfm.")


def _several(path: Path, count: str) -> BadInputError:
    return BadInputError(
        f"{path.name} holds {count} transforms one beside the other, as of the frames of a series, and does not say "
        "which is meant; save the one that belongs to these images by itself."
    )
