"""T's affine part: landmarks at the centres of the structures of each volume, and the affine map between them.

A shared encoder predicts heatmaps, one a structure, from each volume alone; the landmarks are their centres of mass,
and the affine is fitted to them by weighted least squares. It follows large rotations because a landmark moves with its
anatomy (as the keypoints of KeyMorph, Wang et al. 2023, do, which have no names). The two directions are inverse to
each other by construction: the affine is the geometric mean of the fit there and the inverse of the fit back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.warp import identity_grid
from .latent import Encoder

ROOT_STEPS = 8
RIDGE = 1e-3


class Landmarks(NamedTuple):
    """`points` (B, K, 3): x, y, z in mm about the middle of the volume; `presence` (B, K): logit of being in it."""

    points: Tensor
    presence: Tensor


class AffineNetwork(nn.Module):
    """Volumes (B, 1, n, n, n) with voxels of `spacing_mm` to the affine between them, 4 × 4, mm about the middles."""

    def __init__(
        self, widths: Sequence[int] = (16, 32, 64), landmarks: int = 24, spacing_mm: float = 4.0, size: int = 64
    ):
        super().__init__()
        self.size, self.spacing_mm = size, spacing_mm
        self.encoder = Encoder(widths, [1, 2, 2][: len(widths)], skips=True, normalised=True)
        self.heat = nn.Conv3d(widths[0], landmarks, 1)
        self.presence = nn.Linear(widths[-1], landmarks)

    def landmarks(self, *volumes: Tensor) -> tuple[Landmarks, tuple[Tensor, ...]]:
        """(the landmarks of all volumes, stacked; of each the activation that predicts them)."""
        volume = torch.cat(volumes)
        features = self.encoder(volume)
        activations = features[-1].chunk(len(volumes))
        heat = self.heat(torch.cat(activations)).float()
        mass = heat.flatten(2).softmax(2)
        shape = heat.shape[2:]
        extent = mass.new_tensor([n * self.spacing_mm for n in reversed(volume.shape[2:])])
        places = identity_grid(shape, mass).reshape(-1, 3) * extent / 2  # mm
        presence = self.presence(features[0].float().mean((2, 3, 4))).float()
        with torch.autocast(volume.device.type, enabled=False):
            points = mass @ places
        return Landmarks(points, presence), activations

    def forward(self, fixed: Tensor, moving: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(4 × 4 matrices (B, 4, 4) from fixed to moving points, stages)."""
        found, (here, there) = self.landmarks(fixed, moving)
        return affine_between(found), {"affine-fixed": here, "affine-moving": there}


def affine_between(found: Landmarks) -> Tensor:
    """(B, 4, 4) from the first half of the volumes to the second half; landmarks in view of both count."""
    (f, m), (sure_f, sure_m) = found.points.chunk(2), found.presence.sigmoid().chunk(2)
    with torch.autocast(f.device.type, enabled=False):
        return fit_symmetric_affine(f, m, sure_f * sure_m)


def fit_affine(source: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """(B, 4, 4): the affine that takes `source` (B, K, 3) nearest to `target`, weights (B, K), least squares."""
    w = (weight / weight.sum(1, keepdim=True).clamp_min(1e-6))[..., None]
    from_mean, to_mean = (source * w).sum(1, keepdim=True), (target * w).sum(1, keepdim=True)
    a, b = source - from_mean, target - to_mean
    spread = (a * w).mT @ a
    some = RIDGE * spread.diagonal(dim1=1, dim2=2).mean(1) + 1e-6  # no weight at all: the identity
    ridge = some[:, None, None] * torch.eye(3, dtype=a.dtype, device=a.device)
    linear = torch.linalg.solve(
        spread + ridge, (a * w).mT @ b + ridge
    ).mT  # towards no rotation where there is no evidence
    moved = to_mean.mT - linear @ from_mean.mT
    return affine_matrices(linear, moved)


def fit_symmetric_affine(fixed: Tensor, moving: Tensor, weight: Tensor) -> Tensor:
    """(B, 4, 4) from fixed to moving: swapped arguments give exactly the inverse, up to rounding."""
    there, back = fit_affine(fixed, moving, weight), torch.linalg.inv(fit_affine(moving, fixed, weight))
    return there @ matrix_square_root(torch.linalg.solve(there, back))


def matrix_square_root(matrix: Tensor) -> Tensor:
    """The principal square root of (B, 4, 4) affines that turn by less than 180° (Denman and Beavers 1976)."""
    root, inverse = matrix, torch.eye(4, dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    for _ in range(ROOT_STEPS):
        root, inverse = (root + torch.linalg.inv(inverse)) / 2, (inverse + torch.linalg.inv(root)) / 2
    return root


def affine_matrices(linear: Tensor, moved: Tensor) -> Tensor:
    """(B, 3, 3) and (B, 3, 1) to (B, 4, 4)."""
    last = linear.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(linear), 1, 4)
    return torch.cat([torch.cat([linear, moved], 2), last], 1)


def resample_affine(volume: Tensor, matrix: Tensor, spacing_mm: float) -> Tensor:
    """`volume` (B, 1, D, H, W) at matrix · p for each point p (mm about the middle) of its own grid; 0 outside."""
    shape = volume.shape[2:]
    half = volume.new_tensor([n * spacing_mm / 2 for n in reversed(shape)])
    points = identity_grid(shape, volume) * half
    moved = points @ matrix[:, None, None, :3, :3].mT + matrix[:, None, None, None, :3, 3]
    return F.grid_sample(volume, moved / half, align_corners=False)


def estimate_affine(network: AffineNetwork, fixed: Tensor, moving: Tensor, passes: int = 2) -> Tensor:
    """(B, 4, 4): the network's affine, refined in further passes on both volumes resampled to their midpoint."""
    matrix, _ = network(fixed, moving)
    for _ in range(passes - 1):
        half = matrix_square_root(matrix)
        rest, _ = network(
            resample_affine(fixed, torch.linalg.inv(half), network.spacing_mm),
            resample_affine(moving, half, network.spacing_mm),
        )
        matrix = half @ rest @ half
    return matrix
