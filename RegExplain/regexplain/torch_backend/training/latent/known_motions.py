"""Known rigid motions and zooms of training volumes, and what they do in the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...networks.latent import LatentNetwork
from ...spatial.warp import warp
from .augmentation import affine_displacement

AXES = ("x", "y", "z")  # of the canvas, which lies along L, P, S


@dataclass(frozen=True, eq=False)
class KnownMotion:
    """Tissue at p goes to `matrix` · p + `translation_mm`; (x, y, z) mm from the canvas' centre."""

    name: str
    matrix: np.ndarray
    translation_mm: np.ndarray

    @property
    def inverse(self) -> KnownMotion:
        back = np.linalg.inv(self.matrix)
        return KnownMotion(f"{self.name} undone", back, -back @ self.translation_mm)


def known_motions(rotation_deg: float = 20.0, translation_mm: float = 10.0, zoom: float = 1.2) -> list[KnownMotion]:
    """A rotation about (right-hand rule) and a translation along each canvas axis, and a zoom; the paper's sizes."""
    still, zero = np.eye(3), np.zeros(3)
    return [
        *(KnownMotion(f"rotation {name}", rotation(axis, rotation_deg), zero) for axis, name in enumerate(AXES)),
        *(KnownMotion(f"translation {name}", still, translation_mm * still[axis]) for axis, name in enumerate(AXES)),
        KnownMotion("zoom", zoom * still, zero),
    ]


def rotation(axis: int, degrees: float) -> np.ndarray:
    """(3, 3), by the right-hand rule about x, y or z."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix, angle = np.eye(3), np.radians(degrees)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[b, a], matrix[a, b] = np.sin(angle), -np.sin(angle)
    return matrix


def apply_motion(volumes: Tensor, motion: KnownMotion, spacing_mm: Sequence[float]) -> Tensor:
    """(N, 1, D, H, W) volumes after the motion, 0 where nothing came from; spacing (x, y, z) of their canvas."""
    spacing, back = np.asarray(spacing_mm, float), motion.inverse  # a warp asks where tissue comes from
    matrix = torch.from_numpy(back.matrix * spacing / spacing[:, None])[None].float()
    translation = torch.from_numpy(back.translation_mm / spacing)[None].float()
    displacement = affine_displacement(matrix, translation, volumes.shape[2:]).to(volumes)
    return warp(volumes, displacement.expand(len(volumes), -1, -1, -1, -1), padding="zeros")


@torch.inference_mode()
def latent_changes(
    network: LatentNetwork, volumes: Tensor, motion: KnownMotion, spacing_mm: Sequence[float]
) -> np.ndarray:
    """(N, n): E(moved volume) − E(volume), the latent difference whose arrows show the motion."""
    changed = network.encode(apply_motion(volumes, motion, spacing_mm)) - network.encode(volumes)
    return changed.flatten(1).double().cpu().numpy()


@torch.inference_mode()
def motion_directions(
    network: LatentNetwork, volumes: Sequence[Tensor], motions: Sequence[KnownMotion], spacing_mm: Sequence[float]
) -> np.ndarray:
    """(M, n): the mean latent difference that each motion makes, over volumes (1, D, H, W), one in memory at a time.

    Half of E(there) − E(back): what both signs have in common (the blur of resampling, tissue lost at the border)
    is no part of a direction and falls out.
    """
    sums = []
    for volume in volumes:
        both = [apply_motion(volume[None], m, spacing_mm) for motion in motions for m in (motion, motion.inverse)]
        there, back = network.encode(torch.cat(both)).flatten(1).double().cpu().unflatten(0, (-1, 2)).unbind(1)
        sums.append((there - back).numpy() / 2)
    return np.mean(sums, 0)
