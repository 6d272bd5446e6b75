"""What the experiments of a study share: the model, the pairs, and the folder that is being written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...progress import Progress
from ...torch_backend.inference.model import Model
from ...torch_backend.networks.fire import FireNetwork
from ..measures import Estimate, mean_of
from ..sections import Row, StudyOutput
from .pairs import Pair

MIN_PAIRS = 5  # pairs for an estimate
Item = TypeVar("Item")


@dataclass(eq=False)
class Run(StudyOutput):
    """pairs: ordinary ones, the heads in turn."""

    model: Model
    pairs: list[Pair]
    folder: Path
    progress: Progress

    @property
    def network(self) -> FireNetwork:
        return self.model.network

    @property
    def subset(self) -> list[Pair]:
        """Those of the experiments that take many passes each."""
        return self.pairs[:MIN_PAIRS]

    def each(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with progress."""
        listed = list(items)
        for number, item in enumerate(listed, start=1):
            yield item
            self.progress.report(stage, number, len(listed))


def column(rows: Iterable[Row], name: str, **chosen: Any) -> list[Any]:
    """Of the rows in which these other columns have these values."""
    return [row[name] for row in rows if all(row[key] == value for key, value in chosen.items())]


def estimate(rows: Iterable[Row], name: str, **chosen: Any) -> Estimate:
    return mean_of(column(rows, name, **chosen))


def difference(rows: list[Row], name: str, first: dict[str, Any], second: dict[str, Any]) -> Estimate:
    """Mean over the pairs that are in both of first − second."""
    values = [
        {row["pair"]: row[name] for row in rows if all(row[key] == value for key, value in chosen.items())}
        for chosen in (first, second)
    ]
    return mean_of([values[0][pair] - values[1][pair] for pair in values[0] if pair in values[1]])
