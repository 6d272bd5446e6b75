"""What a study writes: sections of text, tables and figures, in one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..results.tables import write_csv
from ..volumes.geometry import Grid, centred_grid

DOTS_PER_INCH = 150
Row = dict[str, Any]  # of a table


@dataclass
class Section:
    """A part of the page: what was done, the figures with their captions, the tables of which the page shows some."""

    title: str
    text: str
    figures: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


class StudyOutput:
    """Tables and figures in the folder of a study."""

    folder: Path

    def write_table(self, name: str, rows: list[Row]) -> str:
        """`tables/NAME.csv`; its header, the keys of the first row, carries the units. Returns the name."""
        path = self.folder / "tables" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        write_csv(path, rows)
        return name

    def save_figure(self, name: str, figure: Figure) -> str:
        """`figures/NAME.png`, the same bytes for the same numbers. Returns the name."""
        path = self.folder / "figures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})
        return name


def centred_canvas(size: Sequence[int], spacing: Sequence[float]) -> Grid:
    """A canvas about the origin in anatomical axes (left, posterior, superior), the frame of every figure here."""
    return centred_grid(np.zeros(3), size, spacing, np.eye(3).ravel())
