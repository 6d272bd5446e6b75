"""Whether two images are more similar with left and right of one of them exchanged, as where a file lost its header."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid, as_closest_lps, centred_grid
from ..volumes.intensities import rescale_image, robust_rescale, tissue_box
from .alignment import mutual_information
from .itk import as_affine
from .similarity import FINE_CELLS, ComparedPair, SimilarityScores

CELLS = 56  # along the longest side of the tissue
STEP_MM, MIN_STEP_MM, STEPS = 4.0, 0.05, 60


def gain_of_mirroring(compared: ComparedPair, alignment: sitk.AffineTransform) -> SimilarityScores | None:
    """Similarity after the best rigid motion of the mirrored moving image, less that after `alignment`. None where the
    images hardly overlap.

    Both measures must be positive to speak for a mirror: of one anatomy, only one of the two ways round fits its folds.
    """
    fixed, moving = compared.images
    box = tissue_box(rescale_image(robust_rescale, fixed))
    grid, mirror = _coarse_grid(box), _reflection(box)
    mirrored = as_affine(sitk.CompositeTransform([alignment, mirror]))
    rigid = _rigid(grid.resample(fixed), grid.resample(moving, mirrored), box.centre)
    transform = as_affine(sitk.CompositeTransform([mirrored, rigid]))
    return compared.similarity(FINE_CELLS).difference(transform, alignment)


def _coarse_grid(box: Grid) -> Grid:
    side = float(box.extent.max()) / CELLS
    lps_grid = as_closest_lps(box)
    size = np.ceil(lps_grid.extent / side).astype(int) + 2
    return centred_grid(lps_grid.centre, size.tolist(), [side] * 3, lps_grid.direction)


def _reflection(box: Grid) -> sitk.AffineTransform:
    """About the plane through the middle of `box` that its own left–right axis is perpendicular to."""
    left = as_closest_lps(box).axes[:, 0]
    mirror = sitk.AffineTransform(3)
    mirror.SetCenter(box.centre.tolist())
    mirror.SetMatrix((np.eye(3) - 2 * np.outer(left, left)).ravel().tolist())
    return mirror


def _rigid(fixed: sitk.Image, moving: sitk.Image, centre: np.ndarray) -> sitk.Transform:
    """By mutual information; the identity where the two have too little in common to begin."""
    method = mutual_information([2, 1], [1, 1])
    method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(False)
    method.SetOptimizerAsRegularStepGradientDescent(STEP_MM, MIN_STEP_MM, STEPS)
    method.SetOptimizerScalesFromPhysicalShift()
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(centre.tolist())
    method.SetInitialTransform(rigid, inPlace=True)
    try:
        method.Execute(*(sitk.Cast(image, sitk.sitkFloat32) for image in (fixed, moving)))
    except RuntimeError:
        return sitk.Transform(3, sitk.sitkIdentity)
    return rigid
