"""What kind of image it is, judged by its values: whether it can be a scan at all, and whether it can be MR."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

MIN_DISTINCT_VALUES = 24  # a mask or a label map; images have more
AIR_HU = -1100.0, -900.0
AIR_SHARE = 0.02
SAMPLED_VOXELS = 200_000  # voxels

# Reasons of a network against an image, phrases of result.json; but for the first, what it was made for follows:
NOTHING_VISIBLE = "shows nothing that the model could see"
ANOTHER_KIND = "does not look like"
ANOTHER_CONTRAST = "has another contrast than"
IN_PART = "shows only a part of what is in"


def not_scan_reason(image: sitk.Image) -> str | None:
    """The reason why it cannot be a scan of any kind, as a phrase; None where there is none."""
    values = sitk.GetArrayViewFromImage(image)
    if len(np.unique(_subsample(values))) < MIN_DISTINCT_VALUES and len(np.unique(values)) < MIN_DISTINCT_VALUES:
        return "is a mask or a label map, not a scan"
    return None


def not_mr_reason(image: sitk.Image) -> str | None:
    """The reason why it cannot be an MR image, as a phrase; None where there is none."""
    if reason := not_scan_reason(image):
        return reason
    sampled = _subsample(sitk.GetArrayViewFromImage(image))
    air = (sampled >= AIR_HU[0]) & (sampled <= AIR_HU[1])
    if air.mean() > AIR_SHARE and (sampled < AIR_HU[1]).mean() < 1 and sampled.max() > 0:
        return "has air at −1000, as CT has"
    return None


def _subsample(values: np.ndarray) -> np.ndarray:
    return values.ravel()[:: max(1, values.size // SAMPLED_VOXELS)]
