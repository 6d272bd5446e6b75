"""Where an error can be told at all: written rules, no learning."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..spatial.self_similarity import box_mean
from .cells import CellPair

SEEN = 0.99  # of a cell, in both fields of view
TISSUE = 0.5  # of a cell
MISSING = 0.25  # of a cell and those about it: less tissue there in the warped image is tissue that is missing
AROUND = 3  # cells along each side
NOISE_TIMES = 1.5  # the spread about a cell against that of the noise: less is flat


def can_be_told(pair: CellPair) -> dict[str, np.ndarray]:
    """(d, h, w) bool: "tissue", cells of the fixed image's tissue; of these those that are "outside" what both images
    or masks show, "missing" in the moving image, or "flat" (no structure beyond noise in one of the images); and
    "told", the rest."""
    share = _cells(pair.fixed_tissue)
    tissue = share > TISSUE
    outside = tissue & (_cells(pair.seen) < SEEN)
    missing = tissue & ~outside & (_averaged(_cells(pair.warped_tissue)) < MISSING * _averaged(share))
    structured = np.logical_and(*(has_structure(image, tissue) for image in (pair.fixed, pair.warped)))
    flat = tissue & ~outside & ~missing & ~structured
    return {
        "tissue": tissue,
        "outside": outside,
        "missing": missing,
        "flat": flat,
        "told": tissue & ~outside & ~missing & ~flat,
    }


def has_structure(image: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """(d, h, w) bool: whether intensities vary about a cell by more than noise does, of (z, y, x) on half cells.

    Noise is what a voxel differs from the mean of its neighbours along each axis; its size is the least tenth of that
    over all tissue, where nothing but noise is left.
    """
    volume = torch.from_numpy(image).float()[None, None]
    mean = _boxed(volume, 2 * AROUND - 1)
    spread = (_boxed(volume.square(), 2 * AROUND - 1) - mean.square()).clamp(min=0)
    rough = torch.zeros_like(volume)
    for axis in (2, 3, 4):
        before, after = torch.roll(volume, 1, axis), torch.roll(volume, -1, axis)
        rough += (volume - (before + after) / 2).square() / 1.5 / 3
    if not tissue.any():
        return np.ones_like(tissue)
    of_cells, noise = (F.avg_pool3d(v, 2)[0, 0].numpy() for v in (spread, _boxed(rough, 3)))
    return of_cells > NOISE_TIMES**2 * float(np.percentile(noise[tissue], 10))


def _boxed(volume: torch.Tensor, side: int) -> torch.Tensor:
    return box_mean(F.pad(volume, [side // 2] * 6, mode="replicate"), side // 2)


def _cells(mask: np.ndarray) -> np.ndarray:
    return F.avg_pool3d(torch.from_numpy(mask).float()[None, None], 2)[0, 0].numpy()


def _averaged(values: np.ndarray) -> np.ndarray:
    return _boxed(torch.from_numpy(values)[None, None], AROUND)[0, 0].numpy()
