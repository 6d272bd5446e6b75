"""How far a displacement is from laying landmarks on each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ...landmarks.pairs import LandmarkPairs
from ...transforms.itk import apply_affine, as_affine
from ...volumes.geometry import Grid
from ..spatial.warp import identity_grid

FOOTPRINT_MM = 5.0  # standard deviation: tissue so near a landmark moves about as it does
NEGLIGIBLE = 1e-6  # of the sum of the footprints, far from all


class LandmarkLoss(NamedTuple):
    """The mean in mm of √(1 + r²) − 1 over the footprints of the landmarks, r being how far the displacement there is
    from taking the landmark to its counterpart: squared for small r, so that a landmark is off by chance unpunished,
    and linear for large, so that one that is placed wrongly does not outweigh the images.

    points, wanted: (2, N, 3) mm along the axes of a canvas, from its middle: where the landmarks lie and where they are
    to go, of there (fixed to moving) and of back. extent: (3,) mm of the canvas.
    """

    points: np.ndarray
    wanted: np.ndarray
    extent: np.ndarray

    @classmethod
    def on_canvas(cls, pairs: LandmarkPairs, alignment: sitk.Transform, canvas: Grid) -> LandmarkLoss:
        """alignment: linear, fixed to moving points. The canvas lies in fixed space."""
        back = sitk.AffineTransform(as_affine(alignment).GetInverse())
        ends = np.stack((pairs.fixed, apply_affine(back, pairs.moving)))
        local = (ends - canvas.centre) @ canvas.axes
        return cls(local, local[::-1], canvas.extent)

    def __call__(self, displacement: Tensor) -> Tensor:
        """displacement: (2, 3, D, H, W), there and back, in voxels of its own grid over the canvas."""
        shape = displacement.shape[2:]
        extent = displacement.new_tensor(self.extent)
        places = identity_grid(shape, displacement)[0] * extent / 2  # (D, H, W, 3), mm
        moved = displacement.permute(0, 2, 3, 4, 1) * extent / displacement.new_tensor(list(reversed(shape)))
        total, weights = displacement.new_zeros(()), displacement.new_zeros(())
        for points, wanted, motion in zip(self.points, self.wanted, moved, strict=True):
            for start, end in zip(places.new_tensor(points), places.new_tensor(wanted), strict=True):
                footprint = torch.exp(-(places - start).square().sum(-1) / (2 * FOOTPRINT_MM**2))
                near = footprint > NEGLIGIBLE
                off = (motion[near] - (end - start)).square().sum(-1)
                total = total + (footprint[near] * ((1 + off).sqrt() - 1)).sum()
                weights = weights + footprint[near].sum()
        return total / weights.clamp_min(NEGLIGIBLE)
