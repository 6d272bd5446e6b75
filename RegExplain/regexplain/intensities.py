"""Intensities as every network here expects them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .geometry import Grid, on_canvas


def normalised(array: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance, clipped to ±5, min-max to [0, 1]; float32 (Estienne et al. 2021, section 3)."""
    values = array.astype(np.float64)
    values = np.clip((values - values.mean()) / values.std(), -5.0, 5.0)
    return ((values - values.min()) / (values.max() - values.min())).astype(np.float32)


def network_input(image: sitk.Image, canvas: Grid, alignment: sitk.Transform | None = None) -> np.ndarray:
    """`image` as every network is trained on it and sees it: normalised as a whole, then laid on the canvas.

    (z, y, x) float32, 0 (its darkest) outside. alignment: canvas points to points of the image.
    """
    scaled = sitk.GetImageFromArray(normalised(sitk.GetArrayFromImage(image)))
    scaled.CopyInformation(image)
    return on_canvas(scaled, canvas, alignment)
