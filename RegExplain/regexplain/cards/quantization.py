"""8-bit quantisation of model files: symmetric, one scale per row, as in PyTorch's per-channel quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

SCALE = ".scale"
INT8_MAX = 127


def quantize(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each of two dimensions or more as int8 and, under its name with `.scale`, a float32 a row: value = int8 · scale.

    No entry is off by more than 1/254 of the largest in its row. Vectors stay as they are.
    """
    stored: dict[str, np.ndarray] = {}
    for name, values in tensors.items():
        if values.ndim < 2:
            stored[name] = values
            continue
        largest = np.abs(values).reshape(len(values), -1).max(1)
        scale = (np.where(largest > 0, largest, 1) / INT8_MAX).astype(np.float32)
        stored[name] = np.rint(values / _along_rows(scale, values)).astype(np.int8)
        stored[name + SCALE] = scale
    return stored


def load_dequantized(path: Path) -> dict[str, np.ndarray]:
    """What a safetensors file holds, by name: what is there in 8 bits as float32, all else as it is."""
    from safetensors.numpy import load_file

    stored = load_file(str(path))
    return {
        name: values * _along_rows(stored[name + SCALE], values) if name + SCALE in stored else values
        for name, values in stored.items()
        if not name.endswith(SCALE)
    }


def _along_rows(scale: np.ndarray, values: np.ndarray) -> np.ndarray:
    return scale.reshape(-1, *[1] * (values.ndim - 1))
