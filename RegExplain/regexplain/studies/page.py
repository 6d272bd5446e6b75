"""`index.html` of a study, complete in itself."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from ..report import page as report
from .claim import Claim
from .sections import Section

FRACTION = re.compile(r"-?\d*\.\d+(e-?\d+)?")


def render_study(folder: Path, title: str, claims: list[Claim], sections: list[Section], facts: dict[str, Any]) -> str:
    """HTML that needs no other file, no script and no network, from the figures and tables in `folder`."""
    environment = report.templates(Path(__file__).parent, Path(report.__file__).parent)
    environment.tests["words"] = _is_words
    return environment.get_template("study.html.j2").render(
        title=title,
        claims=claims,
        sections=sections,
        facts=facts,
        image=lambda name: report.data_uri(folder / "figures" / f"{name}.png"),
        table=lambda name: _rows(folder / "tables" / f"{name}.csv"),
    )


def _rows(path: Path) -> list[list[str]]:
    """Header and rows; a column X with X_low and X_high beside it becomes one, "X [low, high]"."""
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = [
        name for name in rows[0] if name.removesuffix("_low").removesuffix("_high") not in rows[0].keys() - {name}
    ]
    return [columns, *([_shown(row, name) for name in columns] for row in rows)]


def _shown(row: dict[str, str], column: str) -> str:
    if row[column] == "nan":
        return "—"
    interval = [row[end] for end in (f"{column}_low", f"{column}_high") if end in row]
    return _short(row[column]) + (f" [{', '.join(map(_short, interval))}]" if interval else "")


def _short(cell: str) -> str:
    """Three significant digits of what is a number with a fraction."""
    return f"{float(cell):.3g}" if FRACTION.fullmatch(cell) else cell


def _is_words(cell: str) -> bool:
    return not re.match(r"-?\d", cell)
