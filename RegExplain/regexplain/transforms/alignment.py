"""The linear part of a registration: from fixed-space to moving-space points, LPS mm."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..volumes.geometry import Grid, as_closest_lps
from .itk import affine_matrix, affine_transform

SEED = 20211
SAMPLED_SHARE = 0.25


def align_centres(fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    """Aligns image centres and axes, the axes being each image's own in the nearest LPS order.

    To half a voxel: voxels of one size come to lie on voxels, and a canvas about both needs no blur (`canvas_around`).
    What the headers say about the patient's place in the scanner plays no part.
    """
    fixed_centre, moving_centre = as_closest_lps(Grid.of(fixed)), as_closest_lps(Grid.of(moving))
    return local_to_world(
        np.eye(4), fixed_centre, moving_centre, fixed_centre.middle_corner, moving_centre.middle_corner
    )


def align_boxes(fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    """Stretches the fixed image's box to the moving one's, by their own axes in the nearest LPS order: as networks want
    it to which every image is resized by itself."""
    here, there = as_closest_lps(Grid.of(fixed)), as_closest_lps(Grid.of(moving))
    return local_to_world(np.diag([*(there.extent / here.extent), 1.0]), here, there)


def check_overlap(fixed: sitk.Image, moving: sitk.Image) -> None:
    """Raises BadInputError where the two boxes have no point in common in the world."""
    boxes = [Grid.of(image).corners for image in (fixed, moving)]
    low, high = (np.array([getattr(b, end)(0) for b in boxes]) for end in ("min", "max"))
    gap = low.max(0) - high.min(0)
    if gap.max() > 0:
        axis = int(gap.argmax())
        words = ("to the left of", "to the right of"), ("behind", "in front of"), ("above", "below")
        side = words[axis][0 if low[1, axis] > high[0, axis] else 1]
        raise BadInputError(
            f"The two scans do not overlap: the moving one lies {gap[axis]:.0f} mm {side} the fixed one; give scans of "
            "the same region, or say how they lie with an initial transform (--initial-transform)."
        )


def alignment_parameters(alignment: sitk.AffineTransform, fixed: Grid) -> dict[str, float]:
    """Rotation (degrees, of the nearest rotation), translation (mm, of the fixed centre), scale (cube root of det)."""
    matrix = affine_matrix(alignment)
    u, _, v = np.linalg.svd(matrix[:3, :3])
    cosine = (np.trace(u @ v) - 1) / 2
    moved = np.array(alignment.TransformPoint(tuple(fixed.centre))) - fixed.centre
    return {
        "rotation_deg": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        "translation_mm": float(np.linalg.norm(moved)),
        "scale": float(np.cbrt(np.linalg.det(matrix[:3, :3]))),
    }


def local_to_world(
    local: np.ndarray,
    fixed: Grid,
    moving: Grid,
    fixed_centre: np.ndarray | None = None,
    moving_centre: np.ndarray | None = None,
) -> sitk.AffineTransform:
    """A map (4 × 4, mm) between two grids' own coordinates as one between their worlds.

    Own coordinates run along a grid's axes from `fixed_centre` or `moving_centre` (LPS mm), by default its centre.
    """

    def frame(grid: Grid, middle: np.ndarray | None) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = grid.axes, grid.centre if middle is None else middle
        return matrix

    world = frame(moving, moving_centre) @ local @ np.linalg.inv(frame(fixed, fixed_centre))
    return affine_transform(world[:3, :3], world[:3, 3])


def mutual_information(shrink: list[int], smoothing: list[float]) -> sitk.ImageRegistrationMethod:
    """With fixed seeds, without an optimiser; by level, coarsest first: the shrink factor, and the blur in cells."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLED_SHARE, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel(smoothing)
    return method
