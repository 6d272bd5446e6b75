"""Tables on disk: CSV, and TSV as BIDS has it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


def write_csv(path: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None) -> None:
    """columns: the header, by default the keys of the first row."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_tsv(path: Path) -> list[dict[str, str]]:
    """A dictionary a row, by column. Raises OSError."""
    with open(path, newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]], missing: str = "") -> None:
    """missing: of a cell that a row lacks."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval=missing, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
