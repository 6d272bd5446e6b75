"""What a registration did, in numbers a reader can check. Arrays are (z, y, x); vectors LPS mm."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from .geometry import Grid, centred_grid
from .transforms import RegistrationTransform

LOG_FLOOR = 1e-9


def dice(a: np.ndarray, b: np.ndarray, label: int) -> float:
    """2|A∩B| / (|A| + |B|) of one label in two label maps; 0 where neither has it."""
    of_a, of_b = a == label, b == label
    return float(2 * (of_a & of_b).sum() / max(1, of_a.sum() + of_b.sum()))


def spread(millimetres: np.ndarray) -> dict[str, float]:
    """Mean, 95th percentile and maximum of lengths in mm."""
    if millimetres.size == 0:
        return {"mean": 0.0, "p95": 0.0, "max": 0.0}
    return {
        "mean": float(millimetres.mean()),
        "p95": float(np.percentile(millimetres, 95)),
        "max": float(millimetres.max()),
    }


def lengths(displacement: sitk.Image | None, grid: Grid) -> np.ndarray:
    """(z, y, x), mm: how far the deformation moves each voxel of `grid`; zeros without one."""
    if displacement is None:
        return np.zeros(grid.size[::-1])
    return np.linalg.norm(sitk.GetArrayViewFromImage(displacement), axis=-1)


def jacobian(transform: sitk.Transform, fixed: Grid) -> np.ndarray:
    """det of the Jacobian of the whole transform at each voxel of the fixed grid (central differences, mm).

    ITK's filter differentiates along the grid's axes but takes the vectors as they are: right only for an image
    that lies straight in the world; so the vectors are put into the grid's own axes first. The determinant is the same.
    """
    vectors = sitk.GetArrayFromImage(_field(transform, fixed)) @ fixed.axes
    straight = centred_grid(np.zeros(3), fixed.size, fixed.spacing, np.eye(3).ravel())
    return sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(straight.image(vectors, vector=True)))


def jacobian_summary(determinant: np.ndarray) -> dict[str, float]:
    """Smallest, share ≤ 0, and the standard deviation of ln(max(det, 1e-9))."""
    return {
        "min": float(determinant.min()),
        "share_folded": float((determinant <= 0).mean()),
        "log_sd": float(np.log(np.maximum(determinant, LOG_FLOOR)).std()),
    }


def inverse_consistency(forward: sitk.Transform, back: sitk.Transform, fixed: Grid, moving: Grid) -> dict[str, float]:
    """|back(forward(x)) − x| in mm over the fixed voxels whose image lies inside the moving grid."""
    there_and_back = sitk.CompositeTransform([back, forward])
    # Copies, not views: a view does not keep its image alive, and these images are nobody else's.
    error = np.linalg.norm(sitk.GetArrayFromImage(_field(there_and_back, fixed)), axis=-1)
    inside = sitk.GetArrayFromImage(fixed.sample(_ones(moving), forward, nearest=True)) > 0
    return spread(error[inside])


def segment_table(
    fixed: sitk.Image, maps: dict[str, sitk.Image] | None, millimetres: np.ndarray
) -> list[dict[str, Any]]:
    """A row a label of the fixed segmentation: Dice with each of `maps` (label maps on the fixed grid), and mm."""
    target = sitk.GetArrayViewFromImage(fixed)
    rows = []
    for label in np.unique(target[target > 0]).tolist():
        scores = None
        if maps is not None:
            scores = {name: dice(target, sitk.GetArrayViewFromImage(other), label) for name, other in maps.items()}
        rows.append({"label": label, "dice": scores, "displacement_mm": spread(millimetres[target == label])})
    return rows


def transform_numbers(
    transform: RegistrationTransform, back: RegistrationTransform, fixed: Grid, moving: Grid
) -> dict[str, Any]:
    """The parts of the record that need no segmentation."""
    forward = transform.itk()
    return {
        "displacement_mm": spread(lengths(transform.displacement, fixed)),
        "jacobian": jacobian_summary(jacobian(forward, fixed)),
        "inverse_consistency_mm": inverse_consistency(forward, back.itk(), fixed, moving),
    }


def _field(transform: sitk.Transform, grid: Grid) -> sitk.Image:
    return sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, grid.size, grid.origin, grid.spacing, grid.direction
    )


def _ones(grid: Grid) -> sitk.Image:
    return grid.image(np.ones(grid.size[::-1], np.uint8))
