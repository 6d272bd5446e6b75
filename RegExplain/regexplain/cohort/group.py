"""The tables of a study: `group.tsv`, a row a pair, and `segments.tsv`, a row a segment; and what BIDS asks for."""

from __future__ import annotations

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
from ..results.tables import write_tsv
from .descriptions import describe_columns
from .page import write_page
from .pairs import Pair
from .study import FAILED, Plan, Study

COLUMNS = ("id", "kind", "model", "verdict", "look", "outlier", "warnings", "notes")
WORSE = {  # on which side: +1 above the others, -1 below
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
MAX_Z_SCORE = 3.5  # modified z-score (Iglewicz and Hoaglin 1993)
MAD_TO_SD = 0.6745  # of the median absolute deviation, in standard deviations of a normal distribution
DECIMALS = 6  # what lies beyond tells no two pairs apart
MIN_PAIRS = 5  # from which one can lie apart from the others
BIDS_FILES = {
    "transform.h5": ("from-{from}_to-{to}_mode-image_xfm", ".h5"),
    "inverse_transform.h5": ("from-{to}_to-{from}_mode-image_xfm", ".h5"),
}


def write_group(study: Study, pairs: Sequence[Pair], plan: Plan, parquet: bool = False) -> None:
    """Of all pairs that are done, in the order of their table."""
    done = {pair.id for pair in plan.done}
    rows, segments = [], []
    for pair in pairs:
        record = study.pair_record(pair) if pair.id in done else None
        if record is None:
            continue
        rows.append(_row(pair, record))
        segments += [{"id": pair.id} | row for row in record.get("segments", ())]
        _name_as_bids(study.path, study.results / pair.id, pair)
    mark_outliers(rows)
    user_columns = list(dict.fromkeys(name for pair in pairs for name in pair.columns))
    with disk_errors(study.path):
        write_table(study.path / "group", rows, COLUMNS, user_columns, parquet)
        write_table(study.path / "segments", segments, ("id", "kind", "label", "name"), (), parquet)
        _describe_dataset(study.path)
        if not _up_to_date(study.path):
            write_page(study.path, rows, [_column(name) for name in user_columns], plan.failed)


def _up_to_date(folder: Path) -> bool:
    """Whether the page is younger than all that it shows: most of a run that has nothing to do is making it."""
    page, sources = folder / "group.html", ("group.tsv", FAILED, "population/report.html")
    written = page.stat().st_mtime_ns if page.exists() else 0
    return all((folder / name).stat().st_mtime_ns < written for name in sources if (folder / name).exists())


def _row(pair: Pair, record: dict[str, Any]) -> dict[str, Any]:
    row = {
        "id": pair.id,
        "kind": record.get("kind", ""),
        "model": record.get("model", ""),
        "verdict": record.get("verdict", ""),
        "look": ", ".join(record.get("look", ())),
        "outlier": "",
        "warnings": record.get("warnings", 0),
        "notes": " ".join(record.get("notes", ())),
    }
    return row | {_column(name): value for name, value in pair.columns.items()} | record.get("figures", {})


def _column(name: str) -> str:
    """Of the user's own table: a name that is taken here gets another."""
    return f"{name}_of_table" if name in COLUMNS else name


def mark_outliers(rows: list[dict[str, Any]]) -> None:
    """Put into `outlier` the figures of `WORSE` whose modified z-score is more than MAX_Z_SCORE, on the worse side.

    Where more than half of all have the same value, none lies apart by this rule."""
    for name, side in WORSE.items():
        values = np.array([row.get(name, np.nan) for row in rows], float).round(DECIMALS)
        finite = values[np.isfinite(values)]
        if len(finite) < MIN_PAIRS:
            continue
        deviation = np.median(np.abs(finite - np.median(finite)))
        if not deviation:
            continue
        scores = side * MAD_TO_SD * (values - np.median(finite)) / deviation
        for index in np.flatnonzero(scores > MAX_Z_SCORE):
            rows[index]["outlier"] = ", ".join(filter(None, [rows[index]["outlier"], name]))


def write_table(
    stem: Path, rows: list[dict[str, Any]], first: Sequence[str], user_columns: Sequence[str], parquet: bool
) -> None:
    """`stem`.tsv and .json, and .parquet if asked for. What a row lacks is n/a."""
    user_names = [_column(name) for name in user_columns]
    columns = list(dict.fromkeys([*first, *user_names, *(name for row in rows for name in row)]))
    partial = stem.with_name(f".{stem.name}.tsv")
    cells = ({key: "n/a" if value == "" else value for key, value in row.items()} for row in rows)
    write_tsv(partial, columns, cells, missing="n/a")
    table = stem.with_suffix(".tsv")
    if table.exists() and filecmp.cmp(partial, table, shallow=False):
        partial.unlink()
    else:
        partial.replace(table)
    _write_json(stem.with_suffix(".json"), describe_columns(columns, user_names))
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
