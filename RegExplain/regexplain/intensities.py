"""Intensities as every network here expects them."""

from __future__ import annotations

import numpy as np


def normalised(array: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance, clipped to ±5, min-max to [0, 1]; float32 (Estienne et al. 2021, section 3)."""
    values = array.astype(np.float64)
    values = np.clip((values - values.mean()) / values.std(), -5.0, 5.0)
    return ((values - values.min()) / (values.max() - values.min())).astype(np.float32)
