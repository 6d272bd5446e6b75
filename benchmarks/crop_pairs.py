"""Crops of two patients or two scanners as pairs with labels: hippocampus T1, and prostate ultrasound with MR.

Both are given with the moving image after one affine that is never worse than their middles, on a grid of the fixed
image's voxels which holds all that the moving image shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import SimpleITK as sitk

from measuring import Task
from peers import Case, centred, validation_pairs
from regexplain.transforms.affine_registration import register_affine
from regexplain.volumes.geometry import Grid, centred_grid
from regexplain.volumes.images import read_segmentation, read_volume
from transform_scores import scores

FIRST = 311  # of the validation cases
ROOM = 0.25  # of the fixed image's extent, on either side
GLAND = 1


class CropPair(NamedTuple):
    fixed: Case
    moving: Case


def hippocampi(data: Path) -> Iterator[CropPair]:
    yield from (CropPair(*pair) for pair in validation_pairs(data / "hippocampus", FIRST, 999))


def prostates(data: Path) -> Iterator[CropPair]:
    """Ultrasound is fixed, MR moving; the gland is compared."""
    folder = data / "prostate_mr_us"
    for path in sorted(folder.glob("*_us.nii.gz")):
        sides = []
        for kind in ("us", "mr"):
            name = path.name.replace("_us", f"_{kind}")
            image = sitk.Cast(read_volume(folder / name), sitk.sitkFloat32)
            labels = read_segmentation(folder / name.replace(".nii", "_labels.nii"), image)
            sides.append(Case(name, centred(image), centred(sitk.Cast(labels == GLAND, sitk.sitkUInt8))))
        yield CropPair(*sides)


KINDS = {"hippocampus": hippocampi, "prostate": prostates}


def crop_task(pair: CropPair) -> Task:
    fixed, moving = pair
    affine = register_affine(fixed.image, moving.image).transform
    own = Grid.of(fixed.image)
    size = [round(n * (1 + 2 * ROOM)) for n in own.size]
    moved = centred_grid(own.centre, size, own.spacing, own.direction).resample(moving.image, affine)
    score = partial(crop_scores, affine=affine, fixed=fixed.labels, moving=moving.labels)
    return Task({"fixed": fixed.name, "moving": moving.name}, fixed.image, moved, score)


def crop_scores(found: tuple, affine: sitk.Transform, fixed: sitk.Image, moving: sitk.Image) -> dict[str, float]:
    """Of the affine after the deformation, which was found after the affine."""
    return scores(sitk.CompositeTransform([affine, found[0]]), fixed, moving) | {"inverse_mm": float("nan")}
