"""Ghosts in the air about a head, as motion during an MR scan leaves them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .geometry import Grid

STEP_MM = 4.0  # of finer voxels every n-th is looked at
HEAD_THRESHOLD = 0.25  # of the median of what is brighter than Otsu's threshold
THINNEST_MM = 3.0  # narrower than twice that is no part of the head: ghosts are, and noise
MARGIN_MM = 15.0  # about the head: dark skin and hair, blur
MIN_VOXELS = 200  # of air on either side of a comparison


def ghost_to_signal_ratio(image: sitk.Image) -> float | None:
    """How much brighter the air is beside the head than elsewhere, along the axis where that is the most; 1 is as
    bright as the head. None where there is no air to compare, or it was blanked.

    Ghosts are copies of the head along the phase-encoding axis, so they lie on lines through it. Noise lies everywhere,
    and both are medians. After the ghost-to-signal ratio of Giannelli et al. 2010 (https://doi.org/10.1120/jacmp.v11i4.3237)
    and MRIQC, which take the axis as known and one ghost at half of the field of view. A CT has none, but its couch is
    narrow and moves no median.
    """
    grid = Grid.of(image)
    step = [max(1, int(STEP_MM / s)) for s in grid.spacing]
    image = sitk.Cast(image[:: step[0], :: step[1], :: step[2]], sitk.sitkFloat32)
    array = sitk.GetArrayViewFromImage(image)
    darkest = float(array.min())
    head, air = _head_and_air(image, darkest)
    if not head.any():
        return None
    brighter = air & (array > darkest)  # what is not, is often no part of what was scanned
    if 3 * brighter.sum() > air.sum():
        air = brighter
    differences = []
    for axis in range(3):
        beside = np.broadcast_to(head.any(axis, keepdims=True), head.shape)
        ghosts, elsewhere = array[air & beside], array[air & ~beside]
        if min(len(ghosts), len(elsewhere)) >= MIN_VOXELS:
            medians = np.median(ghosts), np.median(elsewhere)
            if max(medians) > darkest:
                differences.append(medians[0] - medians[1])
    if not differences:
        return None
    return max(0.0, float(max(differences) / (np.median(array[head]) - darkest)))


def _head_and_air(image: sitk.Image, darkest: float) -> tuple[np.ndarray, np.ndarray]:
    """(z, y, x) bool each: the largest bright part; what is farther from it than its margin."""
    array, otsu = sitk.GetArrayViewFromImage(image), sitk.OtsuThresholdImageFilter()
    otsu.Execute(image)
    bright = float(np.median(array[array >= otsu.GetThreshold()])) - darkest
    mask = sitk.BinaryMorphologicalOpening(image > darkest + HEAD_THRESHOLD * bright, _voxels(image, THINNEST_MM))
    head = sitk.RelabelComponent(sitk.ConnectedComponent(mask), sortByObjectSize=True) == 1
    near = sitk.BinaryDilate(head, _voxels(image, MARGIN_MM))
    return sitk.GetArrayFromImage(head) > 0, sitk.GetArrayFromImage(near) == 0


def _voxels(image: sitk.Image, radius: float) -> list[int]:
    """radius: mm."""
    return [max(1, round(radius / s)) for s in image.GetSpacing()]
