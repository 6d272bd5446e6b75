"""The pairs of a BIDS folder, by a few words: `T1w ses-1 -> ses-2`.

A reader of names only. pybids knows all of BIDS, but brings pandas, SQLAlchemy and formulaic to list a few files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from ..errors import BadInputError
from ..results.tables import read_tsv
from .pairs import Pair, Pairs

SUFFIXES = (".nii.gz", ".nii")
ENTITY = re.compile(r"([a-z]+)-([A-Za-z0-9]+)")


class Scan:
    """An image of a dataset: its entities ({"sub": "01", "ses": "1"}) and its suffix ("T1w")."""

    def __init__(self, path: Path):
        *parts, self.suffix = path.name.partition(".")[0].split("_")
        self.path, self.entities = path, dict(part.partition("-")[::2] for part in parts)

    def matches(self, scan_filter: ScanFilter) -> bool:
        return self.suffix == scan_filter.suffix and scan_filter.entities.items() <= self.entities.items()


class ScanFilter:
    """One side of a selection; what it leaves out is that of the other side."""

    def __init__(self, words: str, other: ScanFilter | None = None):
        self.suffix: str = other.suffix if other else ""
        self.entities: dict[str, str] = dict(other.entities) if other else {}
        for word in words.split():
            entity = ENTITY.fullmatch(word)
            if entity:
                self.entities[entity[1]] = entity[2]
            elif word.isalnum():
                self.suffix = word
            else:
                raise BadInputError(f"{word!r} in --bids is neither a suffix such as T1w nor an entity such as ses-1.")


def bids_pairs(folder: Path, selection: str) -> Pairs:
    """A pair a subject. selection: `FIXED -> MOVING`, each of a suffix and entities. Raises BadInputError."""
    sides = re.split("->|→", selection)
    if len(sides) != 2:
        raise BadInputError('--bids needs two sides, fixed and moving, such as "T1w ses-1 -> ses-2".')
    fixed = ScanFilter(sides[0])
    moving = ScanFilter(sides[1], fixed)
    if not fixed.suffix:
        raise BadInputError('--bids needs the suffix of the fixed images, such as T1w in "T1w ses-1 -> ses-2".')
    scans = defaultdict[str, list[Scan]](list)
    for path in sorted(folder.glob("sub-*/**/sub-*")):
        if path.name.endswith(SUFFIXES):
            scans[path.relative_to(folder).parts[0]].append(Scan(path))
    if not scans:
        raise BadInputError(f"{folder.name} is no BIDS folder: it holds no image at sub-*/…/sub-*.nii.gz.")
    pairs, participants = Pairs(), _participants(folder / "participants.tsv")
    for subject, subject_scans in scans.items():
        matching = [[scan for scan in subject_scans if scan.matches(side)] for side in (fixed, moving)]
        error = _match_error(matching)
        if error:
            pairs.refused.append((subject, error))
        else:
            columns = {"participant_id": subject} | participants.get(subject, {})
            pairs.usable.append(_pair(matching[0][0], matching[1][0], columns))
    return pairs


def _match_error(matching: list[list[Scan]]) -> str:
    for role, scans in zip(("fixed", "moving"), matching, strict=True):
        if not scans:
            return f"No image is the {role} one of --bids."
        if len(scans) > 1:
            names = ", ".join(scan.path.name for scan in scans[:3])
            return f"{len(scans)} images are the {role} one of --bids ({names}); add an entity such as run-1."
    if matching[0][0].path == matching[1][0].path:
        return "Fixed and moving of --bids are the same image."
    return ""


def _participants(table: Path) -> dict[str, dict[str, str]]:
    if not table.is_file():
        return {}
    return {row["participant_id"]: row for row in read_tsv(table) if "participant_id" in row}


def _pair(fixed: Scan, moving: Scan, columns: dict[str, str]) -> Pair:
    """Its transforms are named after what tells its two images apart, as from-… and to-… of a BIDS derivative."""
    subject = columns["participant_id"]
    files = {"fixed": str(fixed.path.absolute()), "moving": str(moving.path.absolute())}
    names = {"subject": subject, "from": _space_label(moving, fixed), "to": _space_label(fixed, moving)}
    return Pair(subject, files, columns, names | {"folder": f"{subject}/{fixed.path.parent.name}"})


def _space_label(scan: Scan, other: Scan) -> str:
    differing = [f"{key}{value}" for key, value in scan.entities.items() if other.entities.get(key) != value]
    return "".join([*differing, *([scan.suffix] if scan.suffix != other.suffix else [])])
