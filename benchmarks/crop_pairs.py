"""Crops of two patients or two scanners as pairs with labels: hippocampus T1, and prostate ultrasound with MR.

Both are given with the moving image after one affine that is never worse than their middles, on a grid of the fixed
image's voxels which holds all that the moving image shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from measuring import Task
from peers import Case, centred, validation_pairs
from regexplain.results.landmarks import mapped
from regexplain.transforms.affine_registration import register_affine
from regexplain.volumes.geometry import Grid, centred_grid
from regexplain.volumes.images import read_segmentation, read_volume
from regexplain.volumes.segmentations import labels_of
from transform_scores import scores

FIRST = 311  # of the validation cases
ROOM = 0.25  # of the fixed image's extent, on either side
GLAND = 1


class CropPair(NamedTuple):
    """landmarks: (N, 3) LPS mm of fixed and of moving, point by point; None where none is known."""

    fixed: Case
    moving: Case
    landmarks: tuple[np.ndarray, np.ndarray] | None = None


def hippocampi(data: Path) -> Iterator[CropPair]:
    yield from (CropPair(*pair) for pair in validation_pairs(data / "hippocampus", FIRST, 999))


def prostates(data: Path) -> Iterator[CropPair]:
    """Ultrasound is fixed, MR moving; the gland is compared, and the middles of the small labels are the landmarks."""
    folder = data / "prostate_mr_us"
    for path in sorted(folder.glob("*_us.nii.gz")):
        sides, points = [], []
        for kind in ("us", "mr"):
            name = path.name.replace("_us", f"_{kind}")
            image = sitk.Cast(read_volume(folder / name), sitk.sitkFloat32)
            labels = centred(read_segmentation(folder / name.replace(".nii", "_labels.nii"), image))
            sides.append(Case(name, centred(image), sitk.Cast(labels == GLAND, sitk.sitkUInt8)))
            points.append(middles(labels))
        shared = sorted(points[0].keys() & points[1].keys())
        here, there = (np.array([known[label] for label in shared]) for known in points)
        yield CropPair(*sides, (here, there))


def middles(labels: sitk.Image) -> dict[int, np.ndarray]:
    """The middle (3,), LPS mm, of each label above the gland's."""
    array = sitk.GetArrayViewFromImage(labels)
    indices = {label: np.argwhere(array == label).mean(0) for label in labels_of(labels) if label > GLAND}
    return {label: Grid.of(labels).world(index[::-1]) for label, index in indices.items()}


KINDS = {"hippocampus": hippocampi, "prostate": prostates}


def crop_task(pair: CropPair) -> Task:
    fixed, moving, landmarks = pair
    affine = register_affine(fixed.image, moving.image).transform
    own = Grid.of(fixed.image)
    size = [round(n * (1 + 2 * ROOM)) for n in own.size]
    moved = centred_grid(own.centre, size, own.spacing, own.direction).resample(moving.image, affine)
    score = partial(crop_scores, affine=affine, fixed=fixed.labels, moving=moving.labels, landmarks=landmarks)
    return Task({"fixed": fixed.name, "moving": moving.name}, fixed.image, moved, score)


def crop_scores(
    found: tuple,
    affine: sitk.Transform,
    fixed: sitk.Image,
    moving: sitk.Image,
    landmarks: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, float]:
    """Of the affine after the deformation, which was found after the affine. landmarks: those of fixed and moving."""
    whole = sitk.CompositeTransform([affine, found[0]])
    distances = {} if landmarks is None else {"landmarks_mm": mean_distance(whole, *landmarks)}
    return scores(whole, fixed, moving) | {"inverse_mm": float("nan")} | distances


def mean_distance(transform: sitk.Transform, fixed: np.ndarray, moving: np.ndarray) -> float:
    """mm from where the fixed landmarks (N, 3) come to lie to the moving ones; NaN without any."""
    if not len(fixed):
        return float("nan")
    return float(np.linalg.norm(mapped(transform, fixed) - moving, axis=1).mean())
