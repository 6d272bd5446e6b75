"""Where the error of a registration can be estimated at all: fixed rules, nothing learnt."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..spatial.self_similarity import box_mean
from .cells import CellPair

MIN_OVERLAP = 0.99  # of a cell, in both fields of view
MIN_TISSUE = 0.5  # of a cell
MISSING_RATIO = 0.25  # of the fixed image's tissue in a neighbourhood: less of it in the warped image is missing tissue
WINDOW = 3  # cells, the side of the neighbourhood
MIN_CONTRAST_TO_NOISE = 1.5  # standard deviation of a neighbourhood over that of the noise: less is flat


def cell_masks(pair: CellPair) -> dict[str, np.ndarray]:
    """(d, h, w) bool: "tissue", cells of the fixed image's tissue; of these those that are "outside" what both images
    or masks show, "missing" in the moving image, or "flat" (no structure beyond noise in one of the images); and
    "estimated", the rest."""
    fixed_share = _cell_shares(pair.fixed_tissue)
    tissue = fixed_share > MIN_TISSUE
    outside = tissue & (_cell_shares(pair.overlap) < MIN_OVERLAP)
    missing = (
        tissue
        & ~outside
        & (_neighbourhood_mean(_cell_shares(pair.warped_tissue)) < MISSING_RATIO * _neighbourhood_mean(fixed_share))
    )
    structured = np.logical_and(*(has_structure(image, tissue) for image in (pair.fixed, pair.warped)))
    flat = tissue & ~outside & ~missing & ~structured
    return {
        "tissue": tissue,
        "outside": outside,
        "missing": missing,
        "flat": flat,
        "estimated": tissue & ~outside & ~missing & ~flat,
    }


def has_structure(image: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """(d, h, w) bool: whether intensities vary about a cell by more than noise does, of (z, y, x) on half cells.

    Noise is what a voxel differs from the mean of its neighbours along each axis; its size is the least tenth of that
    over all tissue, where nothing but noise is left.
    """
    volume = torch.from_numpy(image).float()[None, None]
    mean = _box_mean(volume, 2 * WINDOW - 1)
    variance = (_box_mean(volume.square(), 2 * WINDOW - 1) - mean.square()).clamp(min=0)
    noise_power = torch.zeros_like(volume)
    for axis in (2, 3, 4):
        before, after = torch.roll(volume, 1, axis), torch.roll(volume, -1, axis)
        noise_power += (volume - (before + after) / 2).square() / 1.5 / 3
    if not tissue.any():
        return np.ones_like(tissue)
    cell_variance, noise_variance = (F.avg_pool3d(v, 2)[0, 0].numpy() for v in (variance, _box_mean(noise_power, 3)))
    return cell_variance > MIN_CONTRAST_TO_NOISE**2 * float(np.percentile(noise_variance[tissue], 10))


def _box_mean(volume: torch.Tensor, side: int) -> torch.Tensor:
    return box_mean(F.pad(volume, [side // 2] * 6, mode="replicate"), side // 2)


def _cell_shares(mask: np.ndarray) -> np.ndarray:
    return F.avg_pool3d(torch.from_numpy(mask).float()[None, None], 2)[0, 0].numpy()


def _neighbourhood_mean(values: np.ndarray) -> np.ndarray:
    return _box_mean(torch.from_numpy(values)[None, None], WINDOW)[0, 0].numpy()
