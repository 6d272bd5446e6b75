"""Which landmark of the fixed image belongs to which of the moving one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..volumes.geometry import Grid
from .point_files import Points, read_points

FLIP = np.array((-1.0, -1.0, 1.0))  # LPS to RAS, and back
NAMED = 5  # labels in a message: more are counted


@dataclass(frozen=True, eq=False)
class LandmarkPairs:
    """labels: one a pair, none twice. fixed, moving: (N, 3), LPS mm, each in its own image. warnings: sentences."""

    labels: tuple[str, ...]
    fixed: np.ndarray
    moving: np.ndarray
    warnings: list[str] = field(default_factory=list)

    def some(self, which: np.ndarray) -> LandmarkPairs:
        """Those of (N,) bool."""
        labels = tuple(label for label, keep in zip(self.labels, which, strict=True) if keep)
        return LandmarkPairs(labels, self.fixed[which], self.moving[which])


def read_pairs(paths: dict[str, Path | None], fixed: sitk.Image, moving: sitk.Image) -> LandmarkPairs | None:
    """Of two files, by role; None where neither is given. Raises BadInputError."""
    if not any(paths.values()):
        return None
    points = []
    for role, image in (("fixed", fixed), ("moving", moving)):
        path = paths[role]
        if path is None:
            raise BadInputError(f"There are no {role} landmarks; give landmarks of both images, or of neither.")
        points.append(read_points(path, image))
    return paired(points[0], points[1], fixed, moving)


def paired(of_fixed: Points, of_moving: Points, fixed: sitk.Image, moving: sitk.Image) -> LandmarkPairs:
    """Two lists as pairs: by label where they have labels in common, else by order.

    Raises BadInputError where they cannot belong together, or all of one lie outside its image.
    """
    warnings: list[str] = []
    shared = _shared(of_fixed.labels, of_moving.labels)
    if shared:
        labels = tuple(label for label in of_fixed.labels if label in shared)
        first, second = ([points.labels.index(label) for label in labels] for points in (of_fixed, of_moving))
        warnings += _left_over(of_fixed, of_moving, shared)
    else:
        count, other = len(of_fixed.labels), len(of_moving.labels)
        if count != other:
            raise BadInputError(
                f"There are {count} fixed and {other} moving landmarks, and they have no labels in common; give those "
                "that belong together the same label, or lists of the same length in the same order."
            )
        labels = _unique(of_fixed.labels)
        first = second = list(range(count))
    pairs = LandmarkPairs(labels, of_fixed.positions[first], of_moving.positions[second], warnings)
    for role, points, image in (("fixed", pairs.fixed, fixed), ("moving", pairs.moving, moving)):
        warnings += _outside(role, labels, points, Grid.of(image))
    return pairs


def _shared(fixed: Sequence[str], moving: Sequence[str]) -> set[str]:
    """Labels of both lists; none where a list has one of them twice, as it then says nothing."""
    shared = set(fixed) & set(moving) - {""}
    twice = any(list(labels).count(label) > 1 for labels in (fixed, moving) for label in shared)
    return set() if twice else shared


def _left_over(fixed: Points, moving: Points, shared: set[str]) -> list[str]:
    warnings = []
    for role, points in (("fixed", fixed), ("moving", moving)):
        alone = [label or "one without a label" for label in points.labels if label not in shared]
        if alone:
            warnings.append(f"Landmarks that are only in the {role} list were left out: {_listed(alone)}.")
    return warnings


def _unique(labels: Sequence[str]) -> tuple[str, ...]:
    """The fixed labels, or numbers where one is missing or there twice."""
    if "" in labels or len(set(labels)) < len(labels):
        return tuple(str(number) for number in range(1, len(labels) + 1))
    return tuple(labels)


def _outside(role: str, labels: Sequence[str], points: np.ndarray, grid: Grid) -> list[str]:
    outside = ~_inside(points, grid)
    if outside.all():
        flipped = _inside(points * FLIP, grid).mean() > 0.5
        advice = "its coordinates seem to be RAS, not LPS" if flipped else "check whose it is, and that it is in mm"
        raise BadInputError(f"No landmark of the {role} list lies in the {role} image; {advice}.")
    if outside.any():
        names = [label for label, out in zip(labels, outside, strict=True) if out]
        return [f"Landmarks that lie outside the {role} image: {_listed(names)}. Check where they were placed."]
    return []


def _inside(points: np.ndarray, grid: Grid) -> np.ndarray:
    """(N,) bool: within the outer sides of the grid's voxels."""
    index = (points - grid.origin) @ np.linalg.inv(grid.axes * grid.spacing).T
    return ((index >= -0.5) & (index <= np.array(grid.size) - 0.5)).all(-1)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
