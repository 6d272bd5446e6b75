"""How far vectors reach, in mm."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..volumes.geometry import Grid


def summarise(millimetres: np.ndarray) -> dict[str, float]:
    """Mean, 95th percentile and maximum of lengths in mm."""
    if millimetres.size == 0:
        return {"mean": 0.0, "p95": 0.0, "max": 0.0}
    return {
        "mean": float(millimetres.mean(dtype=float)),
        "p95": float(np.percentile(millimetres, 95)),
        "max": float(millimetres.max()),
    }


def displacement_lengths(displacement: sitk.Image | None, grid: Grid) -> np.ndarray:
    """(z, y, x), mm, float32: how far the deformation moves each voxel of `grid`; zeros without one."""
    lengths = np.zeros(grid.size[::-1], np.float32)
    if displacement is not None:
        vectors = sitk.GetArrayViewFromImage(displacement)
        for slab in grid.slabs():
            lengths[slab] = np.linalg.norm(vectors[slab], axis=-1)
    return lengths
