"""How far corresponding landmarks lie apart before and after a registration."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..motions.lengths import spread


def read_landmarks(path: Path) -> np.ndarray:
    """(N, 3) LPS mm: Slicer's .mrk.json or .fcsv, or a CSV or TSV with the columns x, y, z. Raises BadInputError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        points = _markups(text) if path.name.endswith(".json") else _table(text)
        if points.ndim == 2 and points.shape[1] == 3 and len(points) and np.isfinite(points).all():
            return points
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        pass
    raise BadInputError(
        f"The landmarks {path.name} cannot be read; give Slicer's .mrk.json or .fcsv, or a CSV with the columns x, y, "
        "z (LPS, mm)."
    )


def _markups(text: str) -> np.ndarray:
    markups = json.loads(text)["markups"][0]
    points = np.array([point["position"] for point in markups["controlPoints"]], float)
    return points * _signs(markups.get("coordinateSystem", "LPS"))


def _table(text: str) -> np.ndarray:
    lines, system = text.splitlines(), "LPS"
    if lines[0].startswith("#"):  # .fcsv: "# CoordinateSystem = LPS", "# columns = id,x,y,z,…"
        said = {key.strip("# "): value.strip() for key, _, value in (line.partition("=") for line in lines[:3])}
        system = said.get("CoordinateSystem", "LPS")
        lines = [said["columns"], *(line for line in lines if not line.startswith("#"))]
    reader = csv.DictReader(lines, delimiter="\t" if "\t" in lines[0] else ",")
    return np.array([[float(row[axis]) for axis in "xyz"] for row in reader]) * _signs(system)


def _signs(system: str) -> tuple[int, int, int]:
    """Of "LPS" or "RAS"; .fcsv of older Slicers numbers them, RAS 0 and LPS 1."""
    return (1, 1, 1) if system in ("LPS", "1") else (-1, -1, 1)


def distances(fixed: np.ndarray, moving: np.ndarray, transform: sitk.Transform | None) -> dict[str, float]:
    """mm from where a transform (fixed-space to moving-space points) takes each fixed landmark to its moving one."""
    if len(fixed) != len(moving):
        raise BadInputError(
            f"There are {len(fixed)} fixed and {len(moving)} moving landmarks; give the same points in both files, in "
            "the same order."
        )
    taken = fixed if transform is None else np.array([transform.TransformPoint(point) for point in fixed.tolist()])
    return spread(np.linalg.norm(taken - moving, axis=1))
