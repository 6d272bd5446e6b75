"""Volumes from the slices of DICOM series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .dicom_headers import DIFFERENCES, Series, Slice

SAME_PLACE_MM = 0.01


@dataclass
class Volume:
    """Parallel slices, one at each position. words: what distinguishes it from other volumes of its series."""

    series: Series
    slices: list[Slice]
    words: str = ""
    name: str = ""  # by which it is chosen
    alone: bool = True  # in its series

    @property
    def description(self) -> str:
        words = [self.series.description, f"{len(self.slices)} slices", self.words]
        return f"{self.name} ({', '.join(word for word in words if word)})"


def volumes_of(all_series: list[Series]) -> list[Volume]:
    """All volumes, named by series number; where several share it, with a second number behind it."""
    volumes = [volume for series in all_series for volume in _volumes(series)]
    for volume in volumes:
        same = [other for other in volumes if other.series.number == volume.series.number]
        number = next(n for n, other in enumerate(same, 1) if other is volume)
        volume.name = volume.series.number + (f".{number}" if len(same) > 1 else "")
        volume.alone = sum(other.series is volume.series for other in volumes) == 1
    return volumes


def _volumes(series: Series) -> Iterator[Volume]:
    """The stacks of two and more parallel slices, each split into what was imaged at the same positions."""
    stacks: list[list[Slice]] = []
    for one in series.slices:
        stack = next((stack for stack in stacks if one.is_parallel_to(stack[0])), None)
        if stack is None:
            stacks.append([one])
        else:
            stack.append(one)
    for stack in stacks:
        for part, words in _split(stack):
            if len(part) > 1:
                yield Volume(series, part, words)


def _split(
    slices: list[Slice], differences: Sequence[tuple[str, str]] = DIFFERENCES, words: str = ""
) -> list[tuple[list[Slice], str]]:
    """Split into volumes with one slice per position, by elements of the headers, or else by order."""
    positions = _positions(slices)
    most = max(map(len, positions))
    if most == 1:
        return [([place[0] for place in positions], words)]
    for at, (keyword, name) in enumerate(differences):
        values = sorted({one.differences.get(keyword, "") for one in slices}, key=_numeric_key)
        parts = [[one for one in slices if one.differences.get(keyword, "") == value] for value in values]
        if 1 < len(parts) <= most and min(map(len, parts)) > 1:
            descriptions = [f"{words}, {name} {value}".lstrip(", ") for value in values]
            return [
                volume
                for part, words in zip(parts, descriptions, strict=True)
                for volume in _split(part, differences[at + 1 :], words)
            ]
    if min(map(len, positions)) == most:
        descriptions = [f"{words}, image {n} of {most}".lstrip(", ") for n in range(1, most + 1)]
        return [([place[n] for place in positions], words) for n, words in enumerate(descriptions)]
    return [([one for place in positions for one in place], words)]


def _positions(slices: list[Slice]) -> list[list[Slice]]:
    """Along the normal of the first one: the slices at each place, in the order of their numbers."""
    along = slices[0].normal
    places: list[list[Slice]] = []
    for one in sorted(slices, key=lambda s: float(s.position @ along)):
        if places and np.linalg.norm(one.position - places[-1][0].position) < SAME_PLACE_MM:
            places[-1].append(one)
        else:
            places.append([one])
    return [sorted(place, key=lambda s: (s.number, str(s.path))) for place in places]


def _numeric_key(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return np.inf, text
