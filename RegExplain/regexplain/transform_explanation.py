"""Explain a transform that was made elsewhere, as if it had been registered here. No model, and no torch.

What it moves is split as everywhere here, `moving point = alignment(x + u(x))`: the alignment is the affine motion
nearest to it over the tissue of the fixed image, u all that is left, which bends (docs/decisions/0005).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .errors import BadInputError
from .motions.anatomy import MAX_VOXELS, Anatomy
from .motions.lengths import summarise
from .motions.motion import Motion, fit_motion
from .progress import Progress
from .results import metrics
from .results.folder import SCHEMA_VERSION
from .results.registration_result import RegistrationResult
from .transforms.alignment import alignment_parameters
from .transforms.composition import coverage_mask, flatten_composite, transform_kind
from .transforms.files import as_transform
from .transforms.inversion import invert_displacement
from .transforms.itk import (
    RegistrationTransform,
    affine_matrix,
    affine_transform,
    apply_affine,
    as_affine,
    compose_inverse,
    grid_points,
    to_displacement_field,
)
from .volumes.geometry import Grid, subsampling_step
from .volumes.images import check_volume, resample_segmentation_pair, without_metadata
from .volumes.memory import check_memory_for
from .volumes.segmentations import labels_of, names_of
from .volumes.threads import use_threads

MIN_DETERMINANT = 1e-6  # a determinant below this flattens space
MISSED_SHARE = 1e-3  # of the tissue: less is a border
INVERSE_VOXELS = 8_000_000  # of the inverse, found numerically: a large image's on a coarser grid
DICE_TOLERANCE = 0.05  # of Dice: what falls more is no rounding


def explain_transform(
    transform: sitk.Transform | sitk.Image,
    fixed: sitk.Image,
    moving: sitk.Image,
    *,
    fixed_segmentation: sitk.Image | None = None,
    moving_segmentation: sitk.Image | None = None,
    progress: Progress | None = None,
) -> RegistrationResult:
    """A result without a model, of a transform that any program made of `fixed` and `moving`, two 3-D scalar images.

    transform: maps fixed-space to moving-space points (LPS mm), as ITK's resampling takes it; or a displacement field
    as a vector image. The result's `transform` is its alignment and displacement on the fixed grid, the same map; the
    record's "transform" tells what it does in words. A linear transform gives an affine result. The inverse is found
    numerically. Raises BadInputError for unusable inputs.
    """
    transform = as_transform(transform)
    check_volume(fixed, "fixed image")
    check_volume(moving, "moving image")
    check_memory_for("explain-transform", fixed.GetSize(), moving.GetSize())
    of_fixed, of_moving, match_warning = resample_segmentation_pair(
        fixed_segmentation, moving_segmentation, (fixed, moving)
    )
    work = _Explanation(transform, without_metadata(fixed), without_metadata(moving), progress or Progress())
    if match_warning:
        work.warn(match_warning)
    return work.run(of_fixed, of_moving)


class _Explanation:
    """One transform being explained: what was given, what was noticed, what it took."""

    def __init__(self, transform: sitk.Transform, fixed: sitk.Image, moving: sitk.Image, progress: Progress):
        self.started = time.perf_counter()
        self.transform, self.fixed, self.moving, self.progress = transform, fixed, moving, progress
        self.grid, self.moving_grid = Grid.of(fixed), Grid.of(moving)
        self.linear = bool(transform.IsLinear())
        self.threads = use_threads(None)
        self.warnings: list[str] = []

    def run(self, fixed_labels: sitk.Image | None, moving_labels: sitk.Image | None) -> RegistrationResult:
        self.progress.report("Reading the transform", 0, 4)
        self._check()
        self.progress.report("Finding the affine motion", 1, 4)
        anatomy = Anatomy.of(self.fixed)
        covered = self._coverage(anatomy)
        vectors = sitk.GetArrayFromImage(to_displacement_field(self.transform, anatomy.grid))[anatomy.inside][covered]
        if not np.isfinite(vectors).all():
            self._check_finite()
        motion = fit_motion(vectors, anatomy.points[covered])
        split, moved = self._split(motion)
        self.progress.report("Inverting", 2, 4)
        result = RegistrationResult(self.fixed, self.moving, split, self._inverse(split), fixed_labels, moving_labels)
        self.progress.report("Measuring", 3, 4)
        description = {
            "parts": [transform_kind(part) for part in flatten_composite(self.transform)],
            "covered": float(covered.mean()),
            "anatomy": anatomy.description,
            "moved_mm": summarise(np.linalg.norm(vectors, axis=-1)),
            **_describe(motion),
            "kinds": motion.phrases,
            "segments": [] if fixed_labels is None else list(self._segments(fixed_labels, moved, split.displacement)),
        }
        del moved
        result.record = self._record(result) | {"transform": description}
        self.progress.report("Measuring", 4, 4)
        return result

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.progress.warn(message)

    def _check(self) -> None:
        if self.linear:
            _check_determinant(as_affine(self.transform))
        everywhere = self.moving_grid.image(np.ones(self.moving_grid.size[::-1], np.uint8))
        grids = self.grid.subsampled_to(MAX_VOXELS), self.grid  # most transforms are known to be fine after the first
        if not any(
            sitk.GetArrayFromImage(grid.resample(everywhere, self.transform, nearest=True)).any() for grid in grids
        ):
            raise BadInputError(
                "The transform takes no point of the fixed image into the moving one; check that it belongs to them, "
                "and give fixed and moving the other way round if it is the inverse."
            )

    def _check_finite(self) -> None:
        """Raises BadInputError where the transform is NaN or infinite at a voxel of the fixed image."""
        bad = 0
        for _, vectors in self._displacement_slabs():
            bad += int((~np.isfinite(vectors).all(-1)).sum())
        if bad:
            raise BadInputError(
                f"The transform is NaN or infinite at {bad} voxels of the fixed image; make it again, or replace them."
            )

    def _displacement_slabs(self) -> Iterator[tuple[slice, np.ndarray]]:
        """transform(point) − point of all voxels of the fixed image, some slices (z, y, x, 3) at a time; mm."""
        for slab in self.grid.slabs():
            yield slab, sitk.GetArrayFromImage(to_displacement_field(self.transform, self.grid.slab(slab)))

    def _coverage(self, anatomy: Anatomy) -> np.ndarray:
        """(N,) bool: the anatomy's points that the transform says something about."""
        covered = coverage_mask(self.transform, anatomy.grid)[anatomy.inside]
        if not covered.any():
            raise BadInputError(
                "The transform's field lies elsewhere than the fixed image and moves none of it; check that the two "
                "belong together, and that fixed and moving are not swapped."
            )
        missed = 1 - covered.mean()
        if missed > MISSED_SHARE:
            self.warn(
                f"The transform's field does not reach {100 * missed:.1f} % of the fixed image's tissue and moves "
                "nothing there; do not rely on arrows or numbers beyond it."
            )
        return covered

    def _split(self, motion: Motion) -> tuple[RegistrationTransform, np.ndarray]:
        """The transform as alignment and displacement; and (z, y, x), mm, how far it moves each fixed voxel in all.

        u(x) = A⁻¹(x + w(x)) − x, w being what was given. All of it in one pass: a B-spline takes its time.
        """
        if self.linear:
            alignment = as_affine(self.transform)
        else:
            matrix = motion.rotation @ motion.stretch
            alignment = affine_transform(
                matrix, motion.centroid_mm + motion.translation_mm - matrix @ motion.centroid_mm
            )
            _check_determinant(alignment)
        shape = self.grid.size[::-1]
        back, moved = sitk.AffineTransform(alignment.GetInverse()), np.empty(shape, np.float32)
        u = None if self.linear else np.empty((*shape, 3), np.float32)
        for slab, vectors in self._displacement_slabs():
            moved[slab] = np.linalg.norm(vectors, axis=-1)
            if u is not None:
                points = grid_points(self.grid.slab(slab))
                u[slab] = apply_affine(back, points + vectors) - points
        if not np.isfinite(moved).all():
            self._check_finite()
        return RegistrationTransform(alignment, None if u is None else self.grid.image(u, vector=True)), moved

    def _inverse(self, split: RegistrationTransform) -> RegistrationTransform:
        """Of large images on every n-th voxel, n as small as INVERSE_VOXELS lets it be."""
        undone = None if split.displacement is None else invert_displacement(split.displacement, INVERSE_VOXELS)
        step = subsampling_step(self.moving_grid.size, INVERSE_VOXELS)
        return compose_inverse(split.alignment, undone, self.moving_grid.subsampled(step, covering=True))

    def _segments(
        self, labels: sitk.Image, moved: np.ndarray, displacement: sitk.Image | None
    ) -> Iterator[dict[str, Any]]:
        values, names = sitk.GetArrayViewFromImage(labels), names_of(labels)
        for label in labels_of(labels):
            inside = np.flatnonzero(values == label)
            some = inside[:: 1 + len(inside) // MAX_VOXELS]
            rest = None
            if displacement is not None:
                points = self.grid.world(np.stack(np.unravel_index(some, values.shape)[::-1], -1))
                vectors = sitk.GetArrayViewFromImage(displacement).reshape(-1, 3)[some]
                rest = _describe(fit_motion(vectors, points))
            named = {"name": names[label]} if label in names else {}
            yield {"label": label, **named, "moved_mm": summarise(moved.ravel()[inside]), "rest": rest}

    def _record(self, result: RegistrationResult) -> dict[str, Any]:
        aligned = result.transform.alignment
        record: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "regexplain_version": __version__,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "kind": "affine" if self.linear else "deformable",
            "model": None,
            "settings": {"device": "cpu", "threads": self.threads},
            "alignment": {"kind": "given" if self.linear else "nearest"} | alignment_parameters(aligned, self.grid),
            "heatmaps": [],
            "components": None,
        }
        record |= metrics.measure_registration(result, None, self.warn)
        dice = record["dice"]
        if dice and dice["after"] < dice["before"] - DICE_TOLERANCE:
            self.warn(
                f"The segments overlap less after the transform than before it (Dice {dice['before']:.2f}, then "
                f"{dice['after']:.2f}); it may be the inverse, from moving to fixed points, or of other images."
            )
        seconds = {"total": round(time.perf_counter() - self.started, 3)}
        return record | {"seconds": seconds, "warnings": self.warnings}


def _describe(motion: Motion) -> dict[str, Any]:
    return {"name": motion.name(), "words": motion.describe(), "motion": motion.record}


def _check_determinant(linear: sitk.AffineTransform) -> None:
    volume = np.linalg.det(affine_matrix(linear))
    if abs(volume) < MIN_DETERMINANT:
        raise BadInputError("The transform flattens space (its determinant is 0); give one that can be undone.")
    if volume < 0:
        raise BadInputError(
            "The transform mirrors the image (its determinant is negative), which tissue cannot do; check the "
            "orientation of the images, and mirror one of them beforehand if that is meant."
        )
