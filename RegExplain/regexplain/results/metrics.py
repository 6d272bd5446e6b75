"""What a registration did, in numbers a reader can check. Arrays are (z, y, x); vectors LPS mm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ..motions.lengths import displacement_lengths, summarise
from ..transforms.itk import RegistrationTransform, grid_points
from ..transforms.jacobians import jacobian_summary, registration_jacobian_determinant
from ..volumes.geometry import Grid
from ..volumes.segmentations import labels_of, names_of

if TYPE_CHECKING:
    from .registration_result import RegistrationResult

CONSISTENCY_VOXELS = 2_000_000  # more say no more about smooth fields
MIN_REGION_ML = 0.5  # a network that sees less of a structure does not see it


def dice(a: np.ndarray, b: np.ndarray, label: int) -> float:
    """2|A∩B| / (|A| + |B|) of one label in two label maps; 0 where neither has it."""
    of_a, of_b = a == label, b == label
    return float(2 * (of_a & of_b).sum() / max(1, of_a.sum() + of_b.sum()))


def inverse_consistency(
    forward: RegistrationTransform, back: RegistrationTransform, fixed: Grid, moving: Grid
) -> dict[str, float]:
    """|back(forward(x)) − x| in mm over the fixed voxels whose image lies inside the moving grid.

    Of a large image over every n-th voxel along each axis.
    """
    error = inverse_error(forward, back, fixed.subsampled_to(CONSISTENCY_VOXELS), moving)
    return summarise(error[~np.isnan(error)])


def inverse_error(forward: RegistrationTransform, back: RegistrationTransform, fixed: Grid, moving: Grid) -> np.ndarray:
    """(z, y, x), mm: the same of each fixed voxel; NaN where its image lies outside the moving grid."""
    error = np.linalg.norm(back.end_points(fixed, forward) - grid_points(fixed), axis=-1)
    box = fixed.resample(moving.ones(), forward.sampled(fixed).itk(), nearest=True)
    return np.where(sitk.GetArrayFromImage(box) > 0, error, np.nan)


def segment_table(
    fixed: sitk.Image, maps: dict[str, sitk.Image] | None, millimetres: np.ndarray, determinant: np.ndarray
) -> list[dict[str, Any]]:
    """A row a label of the fixed segmentation: Dice with each of `maps` (label maps on the fixed grid), mm, det J."""
    target, names = sitk.GetArrayViewFromImage(fixed), names_of(fixed)
    rows = []
    for label in labels_of(fixed):
        scores, inside = None, target == label
        if maps is not None:
            scores = {name: dice(target, sitk.GetArrayViewFromImage(other), label) for name, other in maps.items()}
        named = {"name": names[label]} if label in names else {}
        measured = displacement_and_jacobian(millimetres[inside], determinant[inside])
        rows.append({"label": label} | named | {"dice": scores} | measured)
    return rows


def region_table(
    regions: sitk.Image, names: dict[int, str], millimetres: np.ndarray, determinant: np.ndarray
) -> list[dict[str, Any]]:
    """A row a label of `regions` that `names` knows and that is no speck: its name, ml, mm, det J. All on one grid."""
    labels = sitk.GetArrayViewFromImage(regions)
    inside = labels > 0
    labels, millimetres, determinant = labels[inside], millimetres[inside], determinant[inside]
    voxel_ml = float(np.prod(regions.GetSpacing())) / 1000
    rows = []
    for label, name in names.items():
        inside_region = labels == label
        ml = float(inside_region.sum()) * voxel_ml
        if ml >= MIN_REGION_ML:
            numbers = displacement_and_jacobian(millimetres[inside_region], determinant[inside_region])
            rows.append({"label": label, "name": name, "volume_ml": ml} | numbers)
    return rows


def displacement_and_jacobian(millimetres: np.ndarray, determinant: np.ndarray) -> dict[str, Any]:
    """Of some voxels: how far they were moved, and how their volume changed."""
    return {
        "displacement_mm": summarise(millimetres),
        "jacobian": {
            "mean": float(determinant.mean(dtype=float)),
            "min": float(determinant.min()),
            "share_folded": float((determinant <= 0).mean()),
        },
    }


def measure_registration(
    result: RegistrationResult,
    before: sitk.Transform | None,
    warn: Callable[[str], None],
    regions: tuple[sitk.Image, dict[int, str]] | None = None,
) -> dict[str, Any]:
    """The parts of the record that are measured, whatever made the transform.

    before: the transform between the two images when nothing is done yet; None is as their headers say.
    regions: a label map on any grid over the fixed image, and the labels' names.
    """
    fixed, moving = Grid.of(result.fixed), Grid.of(result.moving)
    millimetres = displacement_lengths(result.transform.displacement, fixed)
    determinant = registration_jacobian_determinant(result.transform, fixed)
    numbers: dict[str, Any] = {
        "voxel_mm": min(fixed.spacing),
        "displacement_mm": summarise(millimetres),
        "jacobian": jacobian_summary(determinant),
        "inverse_consistency_mm": inverse_consistency(result.transform, result.inverse_transform, fixed, moving),
        "segments": [],
        "dice": None,
    }
    if result.fixed_segmentation is not None:
        maps = _label_maps(result, before, warn)
        rows = segment_table(result.fixed_segmentation, maps, millimetres, determinant)
        numbers["segments"] = rows
        numbers["dice"] = maps and {name: float(np.mean([row["dice"][name] for row in rows])) for name in maps}
    if regions is not None:
        on_fixed = fixed.resample(regions[0], nearest=True)
        numbers["regions"] = region_table(on_fixed, regions[1], millimetres, determinant)
    folded = numbers["jacobian"]["share_folded"]
    if folded > 0:
        share = f"{100 * folded:.2f} %" if folded >= 1e-4 else "Less than 0.01 %"
        warn(f"{share} of the voxels fold over; do not trust the result there.")
    return numbers


def _label_maps(
    result: RegistrationResult, before: sitk.Transform | None, warn: Callable[[str], None]
) -> dict[str, sitk.Image] | None:
    """The moving segmentation on the fixed grid at each step; None without one."""
    fixed, moving = result.fixed_segmentation, result.moving_segmentation
    if fixed is None or moving is None:
        return None
    names = names_of(moving) | names_of(fixed)
    for label in sorted(set(labels_of(fixed)) ^ set(labels_of(moving))):
        which = "fixed" if label in labels_of(fixed) else "moving"
        name = names.get(label)
        warn(f"Segment {label}{f' ({name})' if name else ''} is only in the {which} segmentation.")
    steps = {"before": before, "aligned": result.transform.alignment, "after": result.transform.itk()}
    return {name: Grid.of(fixed).resample(moving, step, nearest=True) for name, step in steps.items()}
