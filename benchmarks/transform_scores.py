"""How well an ITK transform registers a pair, whoever made it: from the transform and two label maps alone."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from regexplain.results.metrics import dice
from regexplain.transforms.jacobians import jacobian_determinant, jacobian_summary
from regexplain.volumes.geometry import Grid
from regexplain.volumes.segmentations import labels_of


def scores(transform: sitk.Transform, fixed: sitk.Image, moving: sitk.Image) -> dict[str, float]:
    """Mean Dice over the labels of `fixed`, share of folded voxels (det J ≤ 0), standard deviation of log det J.

    `transform` maps fixed-space to moving-space points (LPS mm). `fixed` and `moving` are label maps; the moving one is
    warped onto the fixed one's grid by nearest neighbour, with 0 outside it. det J is that of the whole transform at
    each voxel of that grid.
    """
    warped = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, transform, sitk.sitkNearestNeighbor, 0))
    target = sitk.GetArrayFromImage(fixed)
    determinant = jacobian_summary(jacobian_determinant(transform, Grid.of(fixed)))
    return {
        "dice": float(np.mean([dice(target, warped, label) for label in labels_of(fixed)])),
        "share_folded": determinant["share_folded"],
        "log_sd": determinant["log_sd"],
    }
