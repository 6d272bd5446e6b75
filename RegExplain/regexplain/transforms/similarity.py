"""How alike two images of any contrasts are, by two measures that nothing here optimises together.

Normalised gradient fields (Haber and Modersitzki 2006) see edges that run alike, and mutual information that one
intensity tells the other. Neither alone is to be trusted: an answer counts as better where both say so, by more than
they vary among places where the images do not match.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid, centred_grid, smoothed_for
from ..volumes.intensities import without_padding
from .alignment import centred
from .itk import sampled

CELLS = 48  # along the longest side
BINS = 24
EDGE = 0.1  # of the strong gradients: weaker ones are noise
STRONG = 95  # percentile
LEAST_OVERLAP = 0.5  # of what the smaller box could fill of the fixed one
WRONG_PLACES = 24
AWAY = 0.15  # of the extent: how far the wrong places lie
SEED = 20212


@dataclass(frozen=True)
class Likeness:
    """gradients: mean squared cosine of the two images' gradients, 0 to 1. information: mutual information, nats."""

    gradients: float
    information: float

    @property
    def values(self) -> np.ndarray:
        return np.array([self.gradients, self.information])


class Similarity:
    """Of two images on coarse cells about the fixed one, its axes being the grid's. Masks: where they count, if given.

    A transform maps fixed-space to moving-space points (LPS mm).
    """

    def __init__(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        fixed_mask: sitk.Image | None = None,
        moving_mask: sitk.Image | None = None,
        cells: int = CELLS,
    ):
        own = Grid.of(fixed)
        spacing = max(own.extent.max() / cells, min(own.spacing))
        size = [max(4, int(extent / spacing)) for extent in own.extent]
        self.grid = centred_grid(own.centre, size, [spacing] * 3, own.direction)
        f, m = (smoothed_for(without_padding(image), self.grid.spacing) for image in (fixed, moving))
        self._fixed, self._moving = sitk.GetArrayFromImage(self.grid.sample(f)), m
        self._darkest = float(sitk.GetArrayViewFromImage(m).min())
        self._bins, self._directions = _binned(self._fixed), _directions(self._fixed)
        self._counts = np.ones(self._fixed.shape, bool) if fixed_mask is None else self._inside(fixed_mask, None)
        self._box = Grid.of(moving).ones() if moving_mask is None else moving_mask
        volume = np.prod(Grid.of(moving).extent) / np.prod(own.extent)
        self._middles = centred(fixed, moving)
        self._least = LEAST_OVERLAP * min(1.0, float(volume))

    def of(self, transform: sitk.Transform | None) -> Likeness | None:
        """None where the images hardly overlap."""
        seen, array = self._warped(transform)
        return self._likeness(seen, array) if self._suffices(seen) else None

    def gain(self, new: sitk.Transform, old: sitk.Transform) -> float:
        """How much more alike the images are after `new` than after `old`, where both show them: the lesser of the two
        measures' differences, in standard deviations over places where they do not match. −∞ where `new` leaves too
        little overlap, ∞ where only `old` does."""
        difference = self.difference(new, old)
        if difference is not None:
            return float((difference.values / self._spread).min())
        return np.inf if self.of(new) is not None and self.of(old) is None else -np.inf

    def difference(self, new: sitk.Transform, old: sitk.Transform) -> Likeness | None:
        """By how much both measures are larger after `new`, where both transforms show the images; None if hardly."""
        (seen_new, better), (seen_old, worse) = self._warped(new), self._warped(old)
        common = seen_new & seen_old
        if not self._suffices(common):
            return None
        return Likeness(*(self._likeness(common, better).values - self._likeness(common, worse).values))

    def moved(self, new: sitk.Transform, old: sitk.Transform) -> float:
        """Root mean square distance between both transforms' answers, as a share of the fixed image's mean extent."""
        a, b = (sitk.GetArrayFromImage(sampled(transform, self._sparse)) for transform in (new, old))
        return float(np.sqrt(((a - b) ** 2).sum(-1).mean()) / self.grid.extent.mean())

    @cached_property
    def _sparse(self) -> Grid:
        size = [max(2, n // 4) for n in self.grid.size]
        return centred_grid(self.grid.centre, size, self.grid.extent / size, self.grid.direction)

    @cached_property
    def _spread(self) -> np.ndarray:
        """(2,), over shifts of the middles laid on each other, far and near."""
        random, found = np.random.default_rng(SEED), []
        for _ in range(WRONG_PLACES):
            shift = self.grid.axes @ (random.uniform(-AWAY, AWAY, 3) * self.grid.extent)
            likeness = self.of(sitk.CompositeTransform([self._middles, sitk.TranslationTransform(3, shift.tolist())]))
            if likeness is not None:
                found.append(likeness.values)
        return np.std(found, axis=0) + 1e-9 if len(found) > 1 else np.full(2, np.inf)

    def _suffices(self, seen: np.ndarray) -> bool:
        return bool(seen.sum() >= self._least * self._counts.sum())

    def _warped(self, transform: sitk.Transform | None) -> tuple[np.ndarray, np.ndarray]:
        """Where the moving image lies, and it there."""
        seen = self._counts & self._inside(self._box, transform)
        return seen, sitk.GetArrayFromImage(self.grid.sample(self._moving, transform, outside=self._darkest))

    def _likeness(self, where: np.ndarray, array: np.ndarray) -> Likeness:
        cosines = np.einsum("czyx,czyx->zyx", self._directions, _directions(array))
        return Likeness(float((cosines[where] ** 2).mean()), _information(self._bins[where], _binned(array)[where]))

    def _inside(self, mask: sitk.Image, transform: sitk.Transform | None) -> np.ndarray:
        return sitk.GetArrayFromImage(self.grid.sample(mask, transform, nearest=True)) > 0


def _directions(array: np.ndarray) -> np.ndarray:
    """(3, z, y, x): the gradient, of length 1 where it is strong and near 0 where it is noise."""
    gradient = np.array(np.gradient(array.astype(np.float32)))
    length = np.sqrt((gradient**2).sum(0))
    noise = EDGE * np.percentile(length, STRONG) + 1e-9
    return gradient / np.sqrt(length**2 + noise**2)


def _binned(array: np.ndarray) -> np.ndarray:
    low, high = np.percentile(array, (0.5, 99.5))
    scaled = (array - low) * (BINS / max(high - low, 1e-9))
    return np.clip(scaled, 0, BINS - 1).astype(np.int64)


def _information(rows: np.ndarray, columns: np.ndarray) -> float:
    joint = np.bincount(rows * BINS + columns, minlength=BINS**2).reshape(BINS, BINS) / len(rows)
    apart = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / apart[there])).sum())
