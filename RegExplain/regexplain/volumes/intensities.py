"""Intensities as every network here expects them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from .geometry import Grid, on_canvas

FILLING_SHARE = 0.1  # of all voxels
RINGING_SHARE = 0.1  # of the others
SAMPLED = 100_000  # voxels among which the most frequent value is looked for
BORDER_SHARE = 0.05  # of the outermost voxels
SPIKE = 5.0  # times as frequent as the values next to it: no tissue is
NEAR = 10  # distinct values on each side
APART = 0.1  # of the range of the others: so far from them lies what no scanner measured
EXTREMES = (0.1, 99.9)  # percentiles
TISSUE = 0.1  # of the brightest: darker is air
TRIMMED = 0.01


def normalised(array: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance, clipped to ±5, min-max to [0, 1]; float32 (Estienne et al. 2021, section 3)."""
    values = array.astype(np.float64)
    values = np.clip((values - values.mean()) / values.std(), -5.0, 5.0)
    return ((values - values.min()) / (values.max() - values.min())).astype(np.float32)


def robust(array: np.ndarray) -> np.ndarray:
    """Background to 0, the 99.5th percentile of what is brighter than the mean to 1, clipped; float32.

    The background is the most frequent value, if a tenth of the voxels have it and hardly any are darker (what a
    scanner or a skull-stripping filled in; resampling rings below it), or else the first percentile (air with noise).
    For MR images, whose background is dark.
    """
    values = array.astype(np.float64)
    low, high = _ends(values)
    return np.minimum(np.maximum(values - low, 0) / high, 1).astype(np.float32)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """(the background, how far above it the brightest lie), as `robust` takes them."""
    low = _filling(values)
    if low is None:
        low = float(np.percentile(values, 1))
    if low == values.max():  # as in the inverse of a mask: what is brightest is no background
        low = float(values.min())
    above = np.maximum(values - low, 0)
    return low, float(np.percentile(above[above > above.mean()], 99.5))


def _filling(values: np.ndarray) -> float | None:
    some = values.ravel()[:: max(1, values.size // SAMPLED)]
    distinct, counts = np.unique(some, return_counts=True)
    filling = distinct[counts.argmax()]
    filled = np.count_nonzero(values == filling)
    darker = np.count_nonzero(values < filling)
    found = filled >= FILLING_SHARE * values.size and darker <= RINGING_SHARE * (values.size - filled)
    return float(filling) if found else None


def filling_values(array: np.ndarray) -> list[float]:
    """Values that were written rather than measured: outside a scanner's circle, about a cropped or turned scan, air
    that was set to one value. Each is frequent at the border and a spike among the values."""
    border = np.concatenate([np.take(array, (0, -1), axis).ravel() for axis in range(3)])
    values, counts = np.unique(border, return_counts=True)
    often = values[counts >= BORDER_SHARE * border.size]
    if not len(often):
        return []
    distinct, counts = np.unique(array.ravel()[:: max(1, array.size // SAMPLED)], return_counts=True)
    found = []
    for value in often.tolist():
        place = int(np.searchsorted(distinct, value))
        if place == len(distinct) or distinct[place] != value:
            continue  # only at the border
        beside = np.sort(np.delete(counts, place)[max(0, place - NEAR) : place + NEAR])
        if not len(beside) or counts[place] > SPIKE * beside[len(beside) // 2]:  # others may be filled in as well
            found.append(float(value))
    return found


def background(image: sitk.Image) -> float:
    """The value of what lies outside the body: air. Never a padding value that lies apart from all that was measured;
    where nothing was measured at all, the smallest value."""
    array = sitk.GetArrayViewFromImage(image)
    fillings = filling_values(array)
    measured = array[~np.isin(array, fillings)] if fillings else array.ravel()
    if not measured.size:
        return float(array.min())
    low, high = np.percentile(measured, EXTREMES)
    near = [value for value in fillings if low - APART * (high - low) <= value <= low + APART * (high - low)]
    return min(near) if near else float(measured.min())


def without_padding(image: sitk.Image) -> sitk.Image:
    """As float32, with the scan's own background in place of what was filled in, and clipped where hardly any voxel
    lies: what is compared is what was measured."""
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    fillings = filling_values(array)
    filled = np.isin(array, fillings)
    measured = array[~filled]
    if measured.size < 2 or measured.min() == measured.max():
        return Grid.of(image).image(array)
    array[filled] = background(image)
    low, high = np.percentile(measured, EXTREMES)
    return Grid.of(image).image(np.clip(array, min(low, array[filled].min()) if filled.any() else low, high))


SCALINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"normalised": normalised, "robust": robust}


def tissue(image: sitk.Image) -> np.ndarray:
    """(z, y, x) bool: what is brighter than air."""
    return robust(sitk.GetArrayFromImage(image)) > TISSUE


def tissue_level(array: np.ndarray) -> float:
    """The intensity above which a voxel is `tissue`; of a large image every n-th voxel says the same."""
    low, high = _ends(array.astype(np.float64))
    return low + TISSUE * high


def tissue_box(scaled: sitk.Image, trimmed: float = TRIMMED) -> Grid:
    """The voxels of an image, scaled to [0, 1], within the box along its axes that holds its tissue but for a share of
    `trimmed` at each end. It does not depend on how much air is about a head; noise and a few bright voxels do not move
    it."""
    inside = sitk.GetArrayFromImage(scaled) > TISSUE
    first, last = [], []
    for axis in (2, 1, 0):
        others = tuple(a for a in range(3) if a != axis)
        share = inside.sum(others).cumsum() / inside.sum()
        first.append(int(np.searchsorted(share, trimmed)))
        last.append(int(np.searchsorted(share, 1 - trimmed)))
    own = Grid.of(scaled)
    x, y, z = (end - start + 1 for start, end in zip(first, last, strict=True))
    return Grid((x, y, z), own.spacing, tuple(own.world(np.array(first)).tolist()), own.direction)


def network_input(
    image: sitk.Image,
    canvas: Grid,
    alignment: sitk.Transform | None = None,
    scaling: Callable[[np.ndarray], np.ndarray] = normalised,
) -> np.ndarray:
    """`image` as every network is trained on it and sees it: scaled as a whole, then laid on the canvas.

    (z, y, x) float32, 0 (its darkest) outside. alignment: canvas points to points of the image.
    """
    return on_canvas(scaled_by(scaling, image), canvas, alignment)


def scaled_by(scaling: Callable[[np.ndarray], np.ndarray], image: sitk.Image) -> sitk.Image:
    return Grid.of(image).image(scaling(sitk.GetArrayFromImage(image)))
