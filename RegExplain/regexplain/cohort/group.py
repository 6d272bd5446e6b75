"""The tables of a study: `group.tsv`, a row a pair, and `segments.tsv`, a row a segment; and what BIDS asks for."""

from __future__ import annotations

import csv
import filecmp
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import disk_errors
from .descriptions import described
from .page import write_page
from .pairs import Pair
from .study import FAILED, Plan, Study

OWN = ("id", "kind", "model", "look", "outlier", "warnings", "notes")
WORSE = {  # where an outlier lies: +1 above the others, -1 below
    "dice_after": -1,
    "likeness_information_after": -1,
    "landmarks_distance_mm_after_mean": 1,
    "displacement_mm_mean": 1,
    "jacobian_share_folded": 1,
    "jacobian_log_sd": 1,
    "inverse_consistency_mm_p95": 1,
    "expected_error_mm_mean": 1,
    "trust_symmetry_value": 1,
}
FAR = 3.5  # modified z-score (Iglewicz and Hoaglin 1993)
TO_SD = 0.6745  # of the median absolute deviation, in standard deviations of a normal distribution
ROUNDING = 6  # decimals: what lies beyond tells no two pairs apart
FEWEST = 5  # pairs, from which one can lie apart from the others
BIDS_FILES = {
    "transform.h5": ("from-{from}_to-{to}_mode-image_xfm", ".h5"),
    "inverse_transform.h5": ("from-{to}_to-{from}_mode-image_xfm", ".h5"),
}


def write_group(study: Study, pairs: Sequence[Pair], plan: Plan, parquet: bool = False) -> None:
    """Of all pairs that are done, in the order of their table."""
    done = {pair.id for pair in plan.done}
    rows, segments = [], []
    for pair in pairs:
        made = study.row(pair) if pair.id in done else None
        if made is None:
            continue
        rows.append(_row(pair, made))
        segments += [{"id": pair.id} | row for row in made.get("segments", ())]
        _name_as_bids(study.path, study.results / pair.id, pair)
    mark_outliers(rows)
    carried = list(dict.fromkeys(name for pair in pairs for name in pair.columns))
    with disk_errors(study.path):
        write_table(study.path / "group", rows, OWN, carried, parquet)
        write_table(study.path / "segments", segments, ("id", "kind", "label", "name"), (), parquet)
        _describe_dataset(study.path)
        if not _up_to_date(study.path):
            write_page(study.path, rows, [_column(name) for name in carried], plan.failed)


def _up_to_date(folder: Path) -> bool:
    """Whether the page is younger than all that it tells of: most of a run that has nothing to do is making it."""
    page, told = folder / "group.html", ("group.tsv", FAILED, "population/report.html")
    made = page.stat().st_mtime_ns if page.exists() else 0
    return all((folder / name).stat().st_mtime_ns < made for name in told if (folder / name).exists())


def _row(pair: Pair, made: dict[str, Any]) -> dict[str, Any]:
    told = {
        "id": pair.id,
        "kind": made.get("kind", ""),
        "model": made.get("model", ""),
        "look": ", ".join(made.get("look", ())),
        "outlier": "",
        "warnings": made.get("warnings", 0),
        "notes": " ".join(made.get("notes", ())),
    }
    return told | {_column(name): value for name, value in pair.columns.items()} | made.get("figures", {})


def _column(name: str) -> str:
    """Of the user's own table: a name that is taken here gets another."""
    return f"{name}_of_table" if name in OWN else name


def mark_outliers(rows: list[dict[str, Any]]) -> None:
    """Put into `outlier` the figures of `WORSE` that lie more than `FAR` modified z-scores from the median of all, on
    the worse side. Where more than half of all have the same value, none lies apart by this rule."""
    for name, side in WORSE.items():
        values = np.array([row.get(name, np.nan) for row in rows], float).round(ROUNDING)
        known = values[np.isfinite(values)]
        if len(known) < FEWEST:
            continue
        deviation = np.median(np.abs(known - np.median(known)))
        if not deviation:
            continue
        scores = side * TO_SD * (values - np.median(known)) / deviation
        for index in np.flatnonzero(scores > FAR):
            rows[index]["outlier"] = ", ".join(filter(None, [rows[index]["outlier"], name]))


def write_table(
    stem: Path, rows: list[dict[str, Any]], first: Sequence[str], carried: Sequence[str], parquet: bool
) -> None:
    """`stem`.tsv and .json, and .parquet if asked for. What a row lacks is n/a."""
    own = [_column(name) for name in carried]
    columns = list(dict.fromkeys([*first, *own, *(name for row in rows for name in row)]))
    partial = stem.with_name(f".{stem.name}.tsv")
    with open(partial, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="n/a", delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "n/a" if value == "" else value for key, value in row.items()} for row in rows)
    table = stem.with_suffix(".tsv")
    if table.exists() and filecmp.cmp(partial, table, shallow=False):
        partial.unlink()
    else:
        partial.replace(table)
    _write_json(stem.with_suffix(".json"), described(columns, own))
    if parquet:
        import pyarrow
        from pyarrow import parquet as files

        values = {name: [row.get(name) for row in rows] for name in columns}
        files.write_table(pyarrow.table(values), stem.with_suffix(".parquet"))


def _describe_dataset(folder: Path) -> None:
    _write_json(
        folder / "dataset_description.json",
        {
            "Name": "Registrations of a cohort",
            "BIDSVersion": "1.10.0",
            "DatasetType": "derivative",
            "GeneratedBy": [
                {
                    "Name": "RegExplain",
                    "Version": __version__,
                    "CodeURL": "https://github.com/RegExplain/SlicerRegExplain",
                }
            ],
        },
    )
    (folder / ".bidsignore").write_text("results\npopulation\ngroup.*\nsegments.*\nfailed.tsv\n", encoding="utf-8")


def _name_as_bids(study: Path, result: Path, pair: Pair) -> None:
    """The transforms under their names in a BIDS derivative; the same files where the disk can have them twice."""
    if not pair.bids:
        return
    folder = study / pair.bids["folder"]
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, (stem, suffix) in BIDS_FILES.items():
            source = result / name
            if not source.is_file():
                continue
            target = folder / f"{pair.bids['subject']}_{stem.format(**pair.bids)}{suffix}"
            if target.exists() and os.path.samefile(source, target):
                continue
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except OSError:
                shutil.copyfile(source, target)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
