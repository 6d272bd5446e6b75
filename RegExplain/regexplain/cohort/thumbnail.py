"""A small picture of a registration: the fixed image, the moving one on it, and their outlines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..results.registration_result import RegistrationResult
from ..volumes.geometry import Grid, as_closest_lps, centred_grid
from ..volumes.images import itk_write_errors
from ..volumes.intensities import tissue_mask, without_padding

SIDE = 88  # pixels of each of the three
DARK, BRIGHT = 1, 99  # percentiles
RED, GOLD = (255, 70, 60), (255, 200, 60)  # the fixed image's outline, the warped one's


def write_thumbnail(result: RegistrationResult, path: Path) -> None:
    """The axial slice in the middle of the fixed segmentation, or of the image, anterior up, the patient's right on the
    left. Outlines are of the segments, or of the tissue."""
    grid = _slice(result)
    fixed = result.fixed
    images = [without_padding(fixed), result.warped_moving]
    segmentations = [result.fixed_segmentation, result.warped_moving_segmentation]
    masks = [labels for labels in segmentations if labels is not None]
    outer = len(masks) < 2
    if outer:
        masks = [Grid.of(fixed).image(tissue_mask(image).astype(np.uint8)) for image in images]
    greys = [_grey(sitk.GetArrayFromImage(grid.resample(image))[0]) for image in images]
    tiles = [np.repeat(grey[..., None], 3, -1) for grey in (*greys, greys[0])]
    for mask, colour in zip(masks, (RED, GOLD), strict=True):
        labels = grid.resample(mask, nearest=True)[:, :, 0]
        tiles[2][_edge(sitk.GetArrayFromImage(_without_gaps(labels) if outer else labels))] = colour
    picture = sitk.GetImageFromArray(np.concatenate(tiles, 1), isVector=True)
    with itk_write_errors(path):
        sitk.WriteImage(picture, str(path), useCompression=True, compressionLevel=75)


def _slice(result: RegistrationResult) -> Grid:
    """A square grid of one slice, its axes the patient's L and P, as far as the fixed image's own lie along them."""
    lps_grid = as_closest_lps(Grid.of(result.fixed))
    centre = lps_grid.centre
    labels = result.fixed_segmentation
    if labels is not None and sitk.GetArrayViewFromImage(labels).any():
        inside = np.argwhere(sitk.GetArrayViewFromImage(labels) > 0)
        middle = Grid.of(labels).world((inside.min(0) + inside.max(0))[::-1] / 2)
        centre = centre + lps_grid.axes[:, 2] * (lps_grid.axes[:, 2] @ (middle - centre))
    side = max(lps_grid.extent[:2]) / SIDE
    return centred_grid(centre, (SIDE, SIDE, 1), (side, side, side), lps_grid.direction)


def _without_gaps(tissue: sitk.Image) -> sitk.Image:
    """Skull and ventricles are dark in many contrasts: only the outer outline of tissue says how two heads lie."""
    return sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(tissue, [3, 3]))


def _grey(values: np.ndarray) -> np.ndarray:
    low, high = np.percentile(values, (DARK, BRIGHT))
    return (255 * np.clip((values - low) / max(high - low, 1e-9), 0, 1)).astype(np.uint8)


def _edge(labels: np.ndarray) -> np.ndarray:
    """Where a pixel's right or lower neighbour has another label."""
    edge = np.zeros(labels.shape, bool)
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edge[:-1] |= labels[:-1] != labels[1:]
    return edge
