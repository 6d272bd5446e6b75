"""Intensity normalisation, background, and tissue masks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from .geometry import Grid, resample_to_canvas

PADDING_SHARE = 0.1  # of all voxels
RINGING_SHARE = 0.1  # of the others
SAMPLED_VOXELS = 100_000  # voxels among which the most frequent value is looked for
BORDER_SHARE = 0.05  # of the outermost voxels
SPIKE = 5.0  # times as frequent as the values next to it: no tissue is
NEIGHBOURS = 10  # distinct values on each side
PADDING_DISTANCE = 0.1  # of the range of the others: so far from them lies what no scanner measured
CLIP_PERCENTILES = (0.1, 99.9)  # percentiles
TISSUE_THRESHOLD = 0.1  # of the brightest: darker is air
TRIMMED_SHARE = 0.01


def normalise(array: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance, clipped to ±5, min-max to [0, 1]; float32 (Estienne et al. 2021, section 3)."""
    values = array.astype(np.float64)
    values = np.clip((values - values.mean()) / values.std(), -5.0, 5.0)
    return ((values - values.min()) / (values.max() - values.min())).astype(np.float32)


def robust_rescale(array: np.ndarray) -> np.ndarray:
    """Background to 0, the 99.5th percentile of what is brighter than the mean to 1, clipped; float32.

    The background is the most frequent value, if a tenth of the voxels have it and hardly any are darker (what a
    scanner or a skull-stripping filled in; resampling rings below it), or else the first percentile (air with noise).
    For MR images, whose background is dark.
    """
    values = array.astype(np.float64)
    low, high = _range(values)
    return np.minimum(np.maximum(values - low, 0) / high, 1).astype(np.float32)


def _range(values: np.ndarray) -> tuple[float, float]:
    """(background, distance from it to the 99.5th percentile of the brighter voxels), for `robust_rescale`."""
    low = _padding_value(values)
    if low is None:
        low = float(np.percentile(values, 1))
    if low == values.max():  # as in the inverse of a mask: what is brightest is no background
        low = float(values.min())
    above = np.maximum(values - low, 0)
    return low, float(np.percentile(above[above > above.mean()], 99.5))


def _padding_value(values: np.ndarray) -> float | None:
    sample = values.ravel()[:: max(1, values.size // SAMPLED_VOXELS)]
    distinct, counts = np.unique(sample, return_counts=True)
    filling = distinct[counts.argmax()]
    filled = np.count_nonzero(values == filling)
    darker = np.count_nonzero(values < filling)
    is_padding = filled >= PADDING_SHARE * values.size and darker <= RINGING_SHARE * (values.size - filled)
    return float(filling) if is_padding else None


def padding_values(array: np.ndarray) -> list[float]:
    """Values that were filled in, not measured: outside a scanner's circle, about a cropped or rotated scan, air set to
    one value. Each is frequent at the border and a spike in the histogram."""
    border = np.concatenate([np.take(array, (0, -1), axis).ravel() for axis in range(3)])
    values, counts = np.unique(border, return_counts=True)
    frequent = values[counts >= BORDER_SHARE * border.size]
    if not len(frequent):
        return []
    distinct, counts = np.unique(array.ravel()[:: max(1, array.size // SAMPLED_VOXELS)], return_counts=True)
    paddings = []
    for value in frequent.tolist():
        place = int(np.searchsorted(distinct, value))
        if place == len(distinct) or distinct[place] != value:
            continue  # only at the border
        beside = np.sort(np.delete(counts, place)[max(0, place - NEIGHBOURS) : place + NEIGHBOURS])
        if not len(beside) or counts[place] > SPIKE * beside[len(beside) // 2]:  # others may be filled in as well
            paddings.append(float(value))
    return paddings


def background_value(image: sitk.Image) -> float:
    """The value of what lies outside the body: air. Never a padding value that lies apart from all that was measured;
    where nothing was measured at all, the smallest value."""
    array = sitk.GetArrayViewFromImage(image)
    fillings = padding_values(array)
    measured = array[~np.isin(array, fillings)] if fillings else array.ravel()
    if not measured.size:
        return float(array.min())
    low, high = np.percentile(measured, CLIP_PERCENTILES)
    nearby = [
        value
        for value in fillings
        if low - PADDING_DISTANCE * (high - low) <= value <= low + PADDING_DISTANCE * (high - low)
    ]
    return min(nearby) if nearby else float(measured.min())


def without_padding(image: sitk.Image) -> sitk.Image:
    """As float32, with the scan's own background in place of what was filled in, and clipped where hardly any voxel
    lies: what is compared is what was measured."""
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    fillings = padding_values(array)
    filled = np.isin(array, fillings)
    measured = array[~filled]
    if measured.size < 2 or measured.min() == measured.max():
        return Grid.of(image).image(array)
    array[filled] = background_value(image)
    low, high = np.percentile(measured, CLIP_PERCENTILES)
    return Grid.of(image).image(np.clip(array, min(low, array[filled].min()) if filled.any() else low, high))


def min_max(array: np.ndarray) -> np.ndarray:
    """The darkest voxel to 0, the brightest to 1; float32. What most networks of others were trained on."""
    return _between(array, float(array.min()), float(array.max()))


def upper_percentile(array: np.ndarray) -> np.ndarray:
    """The darkest voxel to 0, the 99th percentile to 1, clipped; float32: uniGradICON's MR images."""
    return _between(array, float(array.min()), float(np.percentile(array, 99)))


def hounsfield(array: np.ndarray) -> np.ndarray:
    """−1000 HU to 0, 1000 HU to 1, clipped; float32: uniGradICON's CT images."""
    return _between(array, -1000.0, 1000.0)


def _between(array: np.ndarray, low: float, high: float) -> np.ndarray:
    high = high if high > low else low + 1
    return ((np.clip(array.astype(np.float64), low, high) - low) / (high - low)).astype(np.float32)


SCALINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normalised": normalise,
    "robust": robust_rescale,
    "min-max": min_max,
    "upper-percentile": upper_percentile,
    "hounsfield": hounsfield,
}


def tissue_mask(image: sitk.Image) -> np.ndarray:
    """(z, y, x) bool: voxels brighter than air."""
    return robust_rescale(sitk.GetArrayFromImage(image)) > TISSUE_THRESHOLD


def tissue_threshold(array: np.ndarray) -> float:
    """The intensity above which a voxel is in `tissue_mask`; of a large image every n-th voxel says the same."""
    low, high = _range(array.astype(np.float64))
    return low + TISSUE_THRESHOLD * high


def tissue_box(scaled: sitk.Image, trimmed: float = TRIMMED_SHARE) -> Grid:
    """The voxels of an image, scaled to [0, 1], within the box along its axes that holds its tissue but for a share of
    `trimmed` at each end. It does not depend on how much air is about a head; noise and a few bright voxels do not move
    it."""
    inside = sitk.GetArrayFromImage(scaled) > TISSUE_THRESHOLD
    first, last = [], []
    for axis in (2, 1, 0):
        others = tuple(a for a in range(3) if a != axis)
        share = inside.sum(others).cumsum() / inside.sum()
        first.append(int(np.searchsorted(share, trimmed)))
        last.append(int(np.searchsorted(share, 1 - trimmed)))
    grid = Grid.of(scaled)
    x, y, z = (end - start + 1 for start, end in zip(first, last, strict=True))
    return Grid((x, y, z), grid.spacing, tuple(grid.world(np.array(first)).tolist()), grid.direction)


def network_input(
    image: sitk.Image,
    canvas: Grid,
    alignment: sitk.Transform | None = None,
    scaling: Callable[[np.ndarray], np.ndarray] = normalise,
) -> np.ndarray:
    """`image` as every network is trained on it and sees it: rescaled as a whole, then resampled onto the canvas.

    (z, y, x) float32, 0 (its darkest) outside. alignment: canvas points to points of the image.
    """
    return resample_to_canvas(rescale_image(scaling, image), canvas, alignment)


def rescale_image(scaling: Callable[[np.ndarray], np.ndarray], image: sitk.Image) -> sitk.Image:
    return Grid.of(image).image(scaling(sitk.GetArrayFromImage(image)))
