"""Lists of points that Slicer, elastix and others wrote, in the coordinates that the file itself names."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..volumes.geometry import Grid

SYSTEMS = {"LPS": 1.0, "1": 1.0, "RAS": -1.0, "0": -1.0}  # → sign of x and y in LPS; numbers as in Slicer 4
NAMED = re.compile(r"^#\s*CoordinateSystem\s*=\s*(\w+)", re.MULTILINE | re.IGNORECASE)
FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
AXES = {"LPS": ("l", "p", "s"), "RAS": ("r", "a", "s"), "": ("x", "y", "z")}


@dataclass(frozen=True)
class Points:
    """labels: "" for a point without one. positions: (N, 3), LPS mm."""

    labels: tuple[str, ...]
    positions: np.ndarray


def read_points(path: str | Path, image: sitk.Image) -> Points:
    """Points of a file: of Slicer (.mrk.json, .fcsv, .csv or .tsv), elastix (.txt or .pts) or ITK (.vtk).

    image: that they belong to, whose grid elastix' indices count on.
    Raises BadInputError, which names the file, where it does not say in which coordinates its points are.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInputError(f"There is no file of landmarks {path.name}; check the name.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise BadInputError(
            f"{path.name} is no list of landmarks that can be read; give .mrk.json, .fcsv or .csv of Slicer, .txt or "
            ".pts of elastix, or .vtk."
        )
    try:
        points = reader(path.read_text(encoding="utf-8-sig"), path.name, image)
        labels, positions = [label for label, _ in points], np.array([position for _, position in points], float)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise BadInputError(
            f"{path.name} is damaged, or no list of landmarks: its points cannot be read; save it again from the "
            "program that made it."
        ) from None
    if not points:
        raise BadInputError(f"{path.name} holds no landmarks; place some, and save the list again.")
    if positions.shape != (len(points), 3) or not np.isfinite(positions).all():
        raise BadInputError(f"{path.name} holds landmarks without three finite coordinates; place those again.")
    return Points(tuple(labels), positions)


LabelledPoints = list[tuple[str, list[float]]]


def _markups_json(text: str, name: str, image: sitk.Image) -> LabelledPoints:
    lists = json.loads(text)["markups"]
    if len(lists) != 1:
        raise BadInputError(f"{name} holds {len(lists)} lists of markups; save the one that is meant by itself.")
    units = lists[0].get("coordinateUnits", "mm")
    unit = units if isinstance(units, str) else units[0]  # since Slicer 5.0 also [code, scheme, meaning]
    if unit != "mm":
        raise BadInputError(f"{name} gives its landmarks in {unit}; save them in mm.")
    sign = _sign(lists[0].get("coordinateSystem", "LPS"), name)
    points = lists[0]["controlPoints"]
    return [
        (point.get("label", ""), _flipped(point["position"], sign))
        for point in points
        if point.get("positionStatus", "defined") == "defined"
    ]


def _fcsv(text: str, name: str, image: sitk.Image) -> LabelledPoints:
    system, columns = NAMED.search(text), re.search(r"^#\s*columns\s*=\s*(.+)$", text, re.MULTILINE)
    sign = _sign(system[1] if system else "RAS", name)  # the first versions of Slicer 4 did not say
    header = (columns[1] if columns else FCSV_COLUMNS).strip().split(",")
    rows = [dict(zip(header, row, strict=False)) for row in csv.reader(_without_comments(text)) if row]
    return [(row.get("label", ""), _flipped([row[axis] for axis in "xyz"], sign)) for row in rows]


def _csv(text: str, name: str, image: sitk.Image) -> LabelledPoints:
    """A header tells the coordinates: l, p, s or r, a, s, as Slicer writes it; x, y, z with t are those of ANTs."""
    lines = list(_without_comments(text))
    delimiter = max("\t;,", key=(lines[0] if lines else "").count)
    rows = csv.DictReader(lines, delimiter=delimiter)
    columns = {(column or "").strip().lower(): column for column in rows.fieldnames or ()}
    system = next((system for system, axes in AXES.items() if set(axes) <= set(columns)), None)
    named_system = NAMED.search(text)
    coordinate_system = system or (named_system[1] if named_system else "LPS" if "t" in columns else "")
    if system is None or not coordinate_system:
        raise BadInputError(
            f"{name} does not say whether its landmarks are in LPS or RAS; name its columns label,l,p,s or label,r,a,s."
        )
    label, axes = columns.get("label"), [columns[axis] for axis in AXES[system]]
    decimal, sign = "," if delimiter == ";" else ".", _sign(coordinate_system, name)
    placed = [row for row in rows if row.get(columns.get("defined", ""), "1") != "0"]
    return [
        (row[label] if label else "", _flipped([row[axis].replace(decimal, ".") for axis in axes], sign))
        for row in placed
    ]


def _elastix(text: str, name: str, image: sitk.Image) -> LabelledPoints:
    """ "point" or "index", how many, then their coordinates: LPS mm, or voxels; voxels where neither is said."""
    words = text.split()
    kind = words.pop(0).lower() if words and words[0].lower() in ("point", "index") else "index"
    count, numbers = int(words[0]), np.array(words[1:], float)
    points = numbers.reshape(-1, 3)
    if len(points) != count:
        raise ValueError
    return [("", point.tolist()) for point in (points if kind == "point" else Grid.of(image).world(points))]


def _vtk(text: str, name: str, image: sitk.Image) -> LabelledPoints:
    """As ITK and elastix write meshes: legacy, in text, LPS mm."""
    if "\nASCII" not in text.upper():
        raise ValueError
    head = re.search(r"^POINTS\s+(\d+)\s+\w+\s*$", text, re.MULTILINE)
    if head is None:
        raise ValueError
    numbers = np.array(text[head.end() :].split()[: 3 * int(head[1])], float)
    return [("", point.tolist()) for point in numbers.reshape(int(head[1]), 3)]


READERS: dict[str, Callable[[str, str, sitk.Image], LabelledPoints]] = {
    ".json": _markups_json,
    ".fcsv": _fcsv,
    ".csv": _csv,
    ".tsv": _csv,
    ".txt": _elastix,
    ".pts": _elastix,
    ".vtk": _vtk,
}


def _without_comments(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _sign(system: str, name: str) -> float:
    if system.upper() not in SYSTEMS:
        raise BadInputError(f"{name} gives its landmarks in the coordinates {system}; save them in LPS or RAS.")
    return SYSTEMS[system.upper()]


def _flipped(position: list, sign: float) -> list[float]:
    x, y, z = (float(number) for number in position)
    return [sign * x, sign * y, z]
