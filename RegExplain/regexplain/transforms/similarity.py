"""Similarity of two images of any contrasts, by two measures of which the optimiser uses one at most.

Normalised gradient fields (Haber and Modersitzki 2006) see edges that run alike, and mutual information that one
intensity tells the other. Neither alone is to be trusted: an answer counts as better where both say so, by more than
they vary among places where the images do not match.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid, antialias, centred_grid
from ..volumes.intensities import without_padding
from .alignment import align_centres
from .itk import to_displacement_field

CELLS = 48  # along the longest side
FINE_CELLS = 96  # where little moves
BINS = 24
EDGE = 0.1  # of the strong gradients: weaker ones are noise
STRONG = 95  # percentile
MIN_OVERLAP = 0.5  # of what the smaller box could fill of the fixed one
RANDOM_SHIFTS = 24
SHIFT_RANGE = 0.15  # of the extent: how far the wrong places lie
SEED = 20212


@dataclass(frozen=True)
class SimilarityScores:
    """gradients: mean squared cosine of the two images' gradients, 0 to 1. information: mutual information, nats."""

    gradients: float
    information: float

    @property
    def values(self) -> np.ndarray:
        return np.array([self.gradients, self.information])

    def relative_gain(self, before: SimilarityScores) -> float:
        """The sum of what both measures gained, each as a share of what it was: they weigh alike, so that a measure
        that hardly changed does not outvote one that did."""
        return float((self.values / np.maximum(before.values, 1e-9) - 1).sum())


class ComparedPair:
    """Two images without what was filled in, and how alike they are on coarse cells; what takes long is done once.

    Masks: where they count, if given."""

    def __init__(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        fixed_mask: sitk.Image | None = None,
        moving_mask: sitk.Image | None = None,
    ):
        self._inputs = fixed, moving
        self.masks = fixed_mask, moving_mask
        self._similarities: dict[int, Similarity] = {}

    @cached_property
    def images(self) -> tuple[sitk.Image, sitk.Image]:
        fixed, moving = self._inputs
        return without_padding(fixed), without_padding(moving)

    def similarity(self, cells: int = CELLS) -> Similarity:
        if cells not in self._similarities:
            self._similarities[cells] = Similarity(*self.images, *self.masks, cells)
        return self._similarities[cells]


class Similarity:
    """Of two images without padding on coarse cells about the fixed one, its axes being the grid's.

    A transform maps fixed-space to moving-space points (LPS mm).
    """

    def __init__(
        self,
        fixed: sitk.Image,
        moving: sitk.Image,
        fixed_mask: sitk.Image | None,
        moving_mask: sitk.Image | None,
        cells: int,
    ):
        fixed_grid = Grid.of(fixed)
        spacing = max(fixed_grid.extent.max() / cells, min(fixed_grid.spacing))
        size = [max(4, int(extent / spacing)) for extent in fixed_grid.extent]
        self.grid = centred_grid(fixed_grid.centre, size, [spacing] * 3, fixed_grid.direction)
        f, m = (antialias(image, self.grid.spacing) for image in (fixed, moving))
        self._fixed, self._moving = sitk.GetArrayFromImage(self.grid.resample(f)), m
        self._darkest = float(sitk.GetArrayViewFromImage(m).min())
        self._bins, self._directions = _to_bins(self._fixed), _directions(self._fixed)
        self._fixed_valid = np.ones(self._fixed.shape, bool) if fixed_mask is None else self._inside(fixed_mask, None)
        self._box = Grid.of(moving).ones() if moving_mask is None else moving_mask
        volume = np.prod(Grid.of(moving).extent) / np.prod(fixed_grid.extent)
        self._middles = align_centres(fixed, moving)
        self._min_overlap = MIN_OVERLAP * min(1.0, float(volume))

    def scores(self, transform: sitk.Transform | None) -> SimilarityScores | None:
        """None where the images hardly overlap."""
        valid, array = self._warped(transform)
        return self._scores(valid, array) if self._overlaps_enough(valid) else None

    def gain(self, new: sitk.Transform, old: sitk.Transform) -> float:
        """How much more alike the images are after `new` than after `old`, where both show them: the lesser of the two
        measures' differences, in standard deviations over places where they do not match. −∞ where `new` leaves too
        little overlap, ∞ where only `old` does."""
        difference = self.difference(new, old)
        if difference is not None:
            return float((difference.values / self._random_sd).min())
        return np.inf if self.scores(new) is not None and self.scores(old) is None else -np.inf

    def difference(self, new: sitk.Transform, old: sitk.Transform) -> SimilarityScores | None:
        """By how much both measures are larger after `new`, where both transforms show the images; None if hardly."""
        both = self.common_scores(new, old)
        return None if both is None else SimilarityScores(*(both[0].values - both[1].values))

    def common_scores(
        self, new: sitk.Transform, old: sitk.Transform
    ) -> tuple[SimilarityScores, SimilarityScores] | None:
        """After `new` and after `old`, where both transforms show the images; None if hardly."""
        (valid_new, warped_new), (valid_old, warped_old) = self._warped(new), self._warped(old)
        common = valid_new & valid_old
        if not self._overlaps_enough(common):
            return None
        return self._scores(common, warped_new), self._scores(common, warped_old)

    def distance(self, new: sitk.Transform, old: sitk.Transform) -> float:
        """Root mean square distance between both transforms' answers, as a share of the fixed image's mean extent."""
        a, b = (sitk.GetArrayFromImage(to_displacement_field(transform, self._sparse)) for transform in (new, old))
        return float(np.sqrt(((a - b) ** 2).sum(-1).mean()) / self.grid.extent.mean())

    @cached_property
    def _sparse(self) -> Grid:
        size = [max(2, n // 4) for n in self.grid.size]
        return centred_grid(self.grid.centre, size, self.grid.extent / size, self.grid.direction)

    @cached_property
    def _random_sd(self) -> np.ndarray:
        """(2,), over random shifts about the aligned centres."""
        random, scores_of_shifts = np.random.default_rng(SEED), []
        for _ in range(RANDOM_SHIFTS):
            shift = self.grid.axes @ (random.uniform(-SHIFT_RANGE, SHIFT_RANGE, 3) * self.grid.extent)
            scores = self.scores(sitk.CompositeTransform([self._middles, sitk.TranslationTransform(3, shift.tolist())]))
            if scores is not None:
                scores_of_shifts.append(scores.values)
        return np.std(scores_of_shifts, axis=0) + 1e-9 if len(scores_of_shifts) > 1 else np.full(2, np.inf)

    def _overlaps_enough(self, valid: np.ndarray) -> bool:
        return bool(valid.sum() >= self._min_overlap * self._fixed_valid.sum())

    def _warped(self, transform: sitk.Transform | None) -> tuple[np.ndarray, np.ndarray]:
        """Where the moving image lies, and it there."""
        valid = self._fixed_valid & self._inside(self._box, transform)
        return valid, sitk.GetArrayFromImage(self.grid.resample(self._moving, transform, outside=self._darkest))

    def _scores(self, where: np.ndarray, array: np.ndarray) -> SimilarityScores:
        cosines = np.einsum("czyx,czyx->zyx", self._directions, _directions(array))
        return SimilarityScores(
            float((cosines[where] ** 2).mean()), _mutual_information(self._bins[where], _to_bins(array)[where])
        )

    def _inside(self, mask: sitk.Image, transform: sitk.Transform | None) -> np.ndarray:
        return sitk.GetArrayFromImage(self.grid.resample(mask, transform, nearest=True)) > 0


def _directions(array: np.ndarray) -> np.ndarray:
    """(3, z, y, x): the gradient, of length 1 where it is strong and near 0 where it is noise."""
    gradient = np.array(np.gradient(array.astype(np.float32)))
    length = np.sqrt((gradient**2).sum(0))
    noise = EDGE * np.percentile(length, STRONG) + 1e-9
    return gradient / np.sqrt(length**2 + noise**2)


def _to_bins(array: np.ndarray) -> np.ndarray:
    low, high = np.percentile(array, (0.5, 99.5))
    scaled = (array - low) * (BINS / max(high - low, 1e-9))
    return np.clip(scaled, 0, BINS - 1).astype(np.int64)


def _mutual_information(rows: np.ndarray, columns: np.ndarray) -> float:
    joint = np.bincount(rows * BINS + columns, minlength=BINS**2).reshape(BINS, BINS) / len(rows)
    independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    occupied = joint > 0
    return float((joint[occupied] * np.log(joint[occupied] / independent[occupied])).sum())
