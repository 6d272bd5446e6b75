"""An affine registration that is never worse than what it starts from.

Several starts, then rigid, similarity and affine registration by mutual information. A step is kept only where edges,
which were not optimised, run more alike after it as well (`Similarity`), by the more the further it moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations, product

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid, antialias, as_closest_lps, centred_grid
from .alignment import local_to_world, mutual_information
from .itk import affine_matrix, affine_transform, as_affine
from .similarity import FINE_CELLS, ComparedPair, Similarity

COARSE_CELLS = 72  # along the longest side; finer gains nothing for an affine
SCALES = 0.5, 2.0
MAX_SHEAR = 0.3
GAIN = 2.0  # standard deviations that speak for a step that moves far
FAR = 0.05  # of the extent
TWICE_GAIN = 1.25  # standard deviations that speak for what was found twice
NOISE = 0.1  # standard deviations
KINDS = {"middles": "centre", "headers": "headers", "masses": "masses", "axes": "axes"}
START_WARNINGS = {
    "middles": "Only the image centres were aligned",
    "headers": "The scans were left as their headers say",
    "masses": "Only the centres of mass were aligned",
    "axes": "Only the principal axes were aligned",
}


@dataclass
class Alignment:
    """transform: fixed-space to moving-space points, LPS mm. start: of WORDS. steps: those that were kept, in order."""

    transform: sitk.AffineTransform
    start: str
    steps: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """As in the record."""
        return "affine" if self.steps else KINDS[self.start]

    @property
    def warning(self) -> str | None:
        """A sentence where nothing but a start was kept."""
        return None if self.steps else f"{START_WARNINGS[self.start]}: nothing better was found."


def register_affine(
    fixed: sitk.Image,
    moving: sitk.Image,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
) -> Alignment:
    """Masks: where the images count, on any grid; above 0 is inside.

    Done in each image's own axes about its centre, so storage order changes no answer; headers are one of the starts.
    """
    return register_affine_pair(ComparedPair(fixed, moving, fixed_mask, moving_mask))


def register_affine_pair(pair: ComparedPair) -> Alignment:
    """As `register_affine`."""
    return _Search(pair).run()


def is_better(similarity: Similarity, new: sitk.Transform, old: sitk.Transform, twice: bool = False) -> bool:
    """Whether the images are surely more alike after `new`: by GAIN where it moves FAR from `old`, by less where near,
    as the square of the way, for so a measure rises towards its peak; by more where further, as more wrong places lie
    within reach. Where it was found `twice`, TWICE_GAIN is enough."""
    relative_distance = similarity.distance(new, old) / FAR
    needed = TWICE_GAIN if twice else GAIN * (1 + max(relative_distance, 1)) / 2
    return similarity.gain(new, old) > needed * min(1.0, relative_distance**2)


def is_plausible(matrix: np.ndarray) -> bool:
    """Whether one scan could be another one after this matrix: no mirror, scales within SCALES, little shear."""
    linear = np.asarray(matrix)[:3, :3]
    if not np.isfinite(linear).all() or np.linalg.det(linear) <= 0:
        return False
    stretch = np.linalg.svd(linear, compute_uv=False)
    lengths = np.linalg.norm(linear, axis=0)
    cosines = (linear / lengths).T @ (linear / lengths)
    return bool(
        stretch.min() > SCALES[0] and stretch.max() < SCALES[1] and np.abs(np.triu(cosines, 1)).max() < MAX_SHEAR
    )


class _Search:
    """In local coordinates: along each image's own axes, about its centre, in units of half the largest extent.

    In them a step in any parameter, of a shift, turn or stretch, moves tissue about as far. With steps in mm and
    radians a stretch could double where the shift was right already.
    """

    def __init__(self, pair: ComparedPair):
        self.pair = pair
        self.grids = [as_closest_lps(Grid.of(image)) for image in pair.images]
        spacing = max(max(grid.extent.max() / COARSE_CELLS, min(grid.spacing)) for grid in self.grids)
        self.unit = max(grid.extent.max() for grid in self.grids) / 2
        images = zip(pair.images, self.grids, strict=True)
        self.images = [_local_image(image, grid, spacing, self.unit) for image, grid in images]
        masks = zip(pair.masks, self.grids, strict=True)
        self.masks = [mask and _local_image(mask, grid, spacing, self.unit, True) for mask, grid in masks]
        self.similarity = ComparedPair(*self.images, *self.masks).similarity()

    def run(self) -> Alignment:
        starts = dict(self._starts())
        coarse = _mutual_information([4], [2])
        candidates = {name: self._optimise(coarse, _rigid(start)) for name, start in starts.items()}
        best = self._most_similar(list(candidates.values()))
        twice = self._found_twice(best, starts, candidates)
        steps = ["rigid"]
        for name, model, method in (
            ("rigid", _rigid, _mutual_information([2], [1])),
            ("similarity", _similarity, _mutual_information([2, 1], [1, 1])),
            ("affine", as_affine, _mutual_information([2, 1], [1, 1])),
        ):
            next_one = self._optimise(method, model(best))
            if is_plausible(affine_matrix(next_one)) and self.similarity.gain(next_one, best) > 0:
                best, steps = next_one, [*steps, *([name] if name not in steps else [])]
        start, begin = "middles", starts["middles"]
        for name, other in starts.items():
            if is_plausible(affine_matrix(other)) and is_better(self.similarity, other, begin):
                start, begin = name, other
        others = (self.similarity.gain(best, other) >= -NOISE for other in starts.values())
        if not (is_better(self.similarity, best, starts["middles"], twice) and all(others)):
            best, steps = self._translation_only(begin) if start == "middles" else (begin, [])
        world = self._to_world(best)
        if self.similarity.distance(best, starts["headers"]) < FAR and not self._confirmed_on_finer_cells(world):
            return Alignment(affine_transform(np.eye(3), np.zeros(3)), "headers")
        return Alignment(world, start, steps)

    def _to_world(self, transform: sitk.AffineTransform) -> sitk.AffineTransform:
        local = affine_matrix(transform)
        local[:3, 3] *= self.unit
        return local_to_world(local, self.grids[0], self.grids[1])

    def _confirmed_on_finer_cells(self, world: sitk.AffineTransform) -> bool:
        """Whether on finer cells, too, the images are no less alike than as their headers say: where these are nearly
        right, the coarse cells cannot tell."""
        difference = self.pair.similarity(FINE_CELLS).difference(world, sitk.AffineTransform(3))
        return difference is None or bool(difference.values.min() >= 0)

    def _found_twice(self, best, starts, candidates) -> bool:
        """Whether starts that lie apart led to `best`: chance does not lead to one place twice."""
        nearby = [starts[name] for name, other in candidates.items() if self.similarity.distance(other, best) < FAR]
        return any(self.similarity.distance(a, b) > FAR / 2 for a, b in combinations(nearby, 2))

    def _translation_only(self, middles: sitk.AffineTransform) -> tuple[sitk.AffineTransform, list[str]]:
        """For images that nothing else aligns: a shift is kept where it is found twice, on different samples."""
        methods = _mutual_information([2], [2]), _mutual_information([1], [2])
        once, again = (self._optimise(method, sitk.TranslationTransform(3)) for method in methods)
        agree = self.similarity.distance(once, again) < FAR
        if agree and min(self.similarity.gain(shift, middles) for shift in (once, again)) > TWICE_GAIN:
            return once, ["translation"]
        return middles, []

    def _most_similar(self, candidates: list[sitk.AffineTransform]) -> sitk.AffineTransform:
        best = candidates[0]
        for other in candidates[1:]:
            if self.similarity.gain(other, best) > 0:
                best = other
        return best

    def _starts(self) -> Iterator[tuple[str, sitk.AffineTransform]]:
        yield "middles", affine_transform(np.eye(3), np.zeros(3))
        frames = []
        for grid in self.grids:
            frame = np.eye(4)
            frame[:3, :3], frame[:3, 3] = grid.axes, grid.centre
            frames.append(frame)
        headers = np.linalg.inv(frames[1]) @ frames[0]
        yield "headers", affine_transform(headers[:3, :3], headers[:3, 3] / self.unit)
        (here, f), (there, m) = (_moments(*pair) for pair in zip(self.images, self.masks, strict=True))
        yield "masses", affine_transform(np.eye(3), there - here)
        turns = [m @ np.diag([a, b, a * b]) @ f.T for a, b in product((1, -1), (1, -1))]
        likeliest = max(turns, key=np.trace)  # turned least
        yield "axes", affine_transform(likeliest, there - likeliest @ here)

    def _optimise(self, method: sitk.ImageRegistrationMethod, start: sitk.Transform) -> sitk.AffineTransform:
        """The start itself where the images have too little in common to begin."""
        for mask, give in zip(self.masks, (method.SetMetricFixedMask, method.SetMetricMovingMask), strict=True):
            if mask is not None:
                give(mask > 0)
        method.SetInitialTransform(start, inPlace=True)
        try:
            method.Execute(*self.images)
        except RuntimeError:
            return as_affine(start)
        return as_affine(start)


def _local_image(image: sitk.Image, lps_grid: Grid, spacing: float, unit: float, mask: bool = False) -> sitk.Image:
    """`image` on a coarse isotropic grid in its own axes, with the origin at its centre; `unit` mm become 1."""
    size = [max(8, int(np.ceil(e / spacing))) for e in lps_grid.extent]
    grid = centred_grid(lps_grid.centre, size, [spacing] * 3, lps_grid.direction)
    sampled = grid.resample(image if mask else antialias(image, grid.spacing), nearest=mask)
    return centred_grid(np.zeros(3), size, [spacing / unit] * 3, np.eye(3).ravel()).image(
        sitk.GetArrayFromImage(sampled)
    )


def _moments(image: sitk.Image, mask: sitk.Image | None) -> tuple[np.ndarray, np.ndarray]:
    """Centre of mass (3,) and principal axes (3, 3), one a column, the longest first, right-handed; mm."""
    values = sitk.GetArrayFromImage(image).astype(float)
    weights = values - values.min()
    if mask is not None:
        weights *= sitk.GetArrayViewFromImage(mask) > 0
    points = np.stack(np.meshgrid(*map(np.arange, weights.shape), indexing="ij")[::-1], -1)
    points = Grid.of(image).world(points).reshape(-1, 3)
    share = weights.ravel() / max(weights.sum(), 1e-9)
    centre = share @ points
    _, axes = np.linalg.eigh((points - centre).T @ ((points - centre) * share[:, None]))
    axes = axes[:, ::-1]
    return centre, axes * [1, 1, np.sign(np.linalg.det(axes))]


def _rigid(start: sitk.AffineTransform) -> sitk.Euler3DTransform:
    matrix = affine_matrix(start)
    u, _, v = np.linalg.svd(matrix[:3, :3])
    rigid = sitk.Euler3DTransform()
    rigid.SetMatrix((u @ v).ravel().tolist(), 1e-6)
    rigid.SetTranslation(matrix[:3, 3].tolist())
    return rigid


def _similarity(start: sitk.AffineTransform) -> sitk.Similarity3DTransform:
    matrix = affine_matrix(start)
    u, _, v = np.linalg.svd(matrix[:3, :3])
    similar = sitk.Similarity3DTransform()
    similar.SetMatrix((u @ v * np.cbrt(np.linalg.det(matrix[:3, :3]))).ravel().tolist(), 1e-6)
    similar.SetTranslation(matrix[:3, 3].tolist())
    return similar


def _mutual_information(shrink: list[int], smoothing: list[float]) -> sitk.ImageRegistrationMethod:
    """By level, coarsest first: the shrink factor, and the blur in cells: without any, mutual information likes to lay
    cells on cells. A step moves tissue by the shrink factor's number of cells at most."""
    method = mutual_information(shrink, smoothing)
    method.SetOptimizerAsRegularStepGradientDescent(
        max(shrink) / COARSE_CELLS, 1e-4, 100, gradientMagnitudeTolerance=1e-6
    )
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(False)
    return method
