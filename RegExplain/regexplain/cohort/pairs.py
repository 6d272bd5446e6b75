"""The pairs of a study: what its table, a row a pair, or its BIDS folder (`bids.py`) names."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..errors import BadInputError
from ..volumes.nifti import is_nifti
from ..volumes.stderr_capture import capture_stderr

ROLES = {  # the columns that name files, and how messages call these
    "fixed": "fixed image",
    "moving": "moving image",
    "fixed_segmentation": "fixed segmentation",
    "moving_segmentation": "moving segmentation",
    "fixed_landmarks": "fixed landmarks",
    "moving_landmarks": "moving landmarks",
    "initial_transform": "initial transform",
    "transform": "transform",
}
REQUIRED = ("fixed", "moving")
EMPTY = ("", "n/a")  # a cell without a value, as BIDS writes it too
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Pair:
    """files: absolute paths by column (`ROLES`). columns: all others of its row. bids: its names in a derivative."""

    id: str
    files: dict[str, str]
    columns: dict[str, str] = field(default_factory=dict)
    bids: dict[str, str] = field(default_factory=dict)


@dataclass
class Pairs:
    """usable: in the table's order. refused: (id or row, why) of those that cannot be run."""

    usable: list[Pair] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_pairs(table: Path) -> Pairs:
    """A TSV or CSV with the columns `fixed` and `moving`; paths are relative to it. Raises BadInputError."""
    rows = _rows(table)
    pairs, row_numbers = Pairs(), dict[str, int]()
    for number, row in enumerate(rows, start=2):  # as spreadsheets count, under the header
        name = row.pop("id", "") or f"{number - 1:04d}"
        reason = _unusable(name, row, number, row_numbers)
        if reason:
            pairs.refused.append((name if ID.fullmatch(name) else f"row {number}", reason))
            continue
        row_numbers[name.lower()] = number
        files = {role: str((table.parent / row[role]).absolute()) for role in ROLES if row.get(role)}
        pairs.usable.append(Pair(name, files, {key: value for key, value in row.items() if key not in ROLES}))
    return pairs


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"The table {table.name} cannot be read; give a TSV or CSV in UTF-8.") from error
    header = text.partition("\n")[0]
    delimiter = max("\t,;", key=header.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter)
    columns = [name.strip() for name in reader.fieldnames or []]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise BadInputError(
            f"The table {table.name} has no column {' and no column '.join(missing)}; its first line must name the "
            "columns fixed and moving."
        )
    rows = []
    for cells in reader:
        values = [(value or "").strip() for key, value in cells.items() if key is not None]
        rows.append({name: "" if value in EMPTY else value for name, value in zip(columns, values, strict=True)})
    if not rows:
        raise BadInputError(f"The table {table.name} has no row below its header; give a row a pair.")
    return rows


def _unusable(name: str, row: dict[str, str], number: int, row_numbers: dict[str, int]) -> str:
    """Why a row cannot be a pair; empty where it can."""
    if not ID.fullmatch(name):
        return f"Its id {name!r} cannot name a folder; use letters, digits, dots, - and _."
    if name.lower() in row_numbers:
        return f"Its id is that of row {row_numbers[name.lower()]} too; give each row an id of its own."
    missing = [column for column in REQUIRED if not row.get(column)]
    if missing:
        return f"Its row {number} has nothing in the column {' and in '.join(missing)}."
    return ""


def check_files(pair: Pair) -> None:
    """Raises BadInputError where one is missing."""
    for role, path in pair.files.items():
        if not Path(path).exists():
            raise BadInputError(f"There is no {ROLES[role]} at {Path(path).name}.")


def voxels_of(pair: Pair) -> tuple[int, int]:
    """Of the fixed and the moving image, as their headers say; 0 of a folder of DICOM, which is read when its turn
    comes. Raises BadInputError where there is no header to read."""
    fixed, moving = (_voxels(Path(pair.files[role]), ROLES[role]) for role in REQUIRED)
    return fixed, moving


def _voxels(path: Path, role: str) -> int:
    if path.is_dir():
        return 0
    try:
        return math.prod(_nifti_size(path) if is_nifti(path) else _itk_size(path))
    except Exception as error:
        raise BadInputError(f"The {role} {path.name} is not an image that can be read, or is damaged.") from error


def _nifti_size(path: Path) -> tuple[int, ...]:
    """ITK takes five times as long, which tells of thousands of pairs."""
    import nibabel

    image: Any = nibabel.load(path)
    return image.shape


def _itk_size(path: Path) -> tuple[int, ...]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with capture_stderr():
        reader.ReadImageInformation()
    return reader.GetSize()
