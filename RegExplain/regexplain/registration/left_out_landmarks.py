"""Landmarks in the refinement, and their distances with each left out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..landmarks.pairs import LandmarkPairs
from ..results.landmarks import mapped
from ..transforms.itk import displacement_transform

GROUPS = 5  # of landmarks that are left out together: each costs a refinement


def check_landmarks(landmarks: LandmarkPairs | None, refine: int) -> None:
    if landmarks is not None and not refine:
        raise BadInputError("Landmarks are used by refining only; give --refine STEPS too (try 25).")


def left_out_distances(
    predict: Callable[[LandmarkPairs | None], sitk.Image], linear: sitk.AffineTransform, landmarks: LandmarkPairs
) -> np.ndarray:
    """(N,) mm: the distance of each landmark from its counterpart where it was left out. linear: the alignment.

    predict: gives the displacement, LPS mm in fixed space, that comes of refining with some of them, None for with
    none. Up to GROUPS landmarks are left out one at a time; of more, several at a time.
    """
    number = np.arange(len(landmarks.labels))
    groups = number % GROUPS
    distances = np.empty(len(number))
    for group in np.unique(groups):
        left_out = groups == group
        displacement = predict(landmarks.some(~left_out) if not left_out.all() else None)
        transform = sitk.CompositeTransform([linear, displacement_transform(displacement)])
        distances[left_out] = np.linalg.norm(
            mapped(transform, landmarks.fixed[left_out]) - landmarks.moving[left_out], axis=-1
        )
    return distances
