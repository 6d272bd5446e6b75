"""The linear part of a registration, where the model itself estimates it: by landmarks, then by what T still moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from ...transforms.alignment import local_to_world
from ...transforms.itk import affine_matrix, affine_transform
from ...volumes.geometry import Grid, as_closest_lps, centred_grid
from ...volumes.intensities import TISSUE_THRESHOLD
from ..networks.affine import estimate_affine, fit_affine
from ..spatial.warp import identity_grid
from .model import EncodedImage, Model

NO_LANDMARKS = (
    "The model {name} does not find the same structures in both images; only the centres of their tissue were "
    "aligned. Check that both show a head, or say how they lie with an initial transform (--initial-transform)."
)


@torch.inference_mode()
def align(model: Model, fixed: sitk.Image, moving: sitk.Image, warn: Callable[[str], None]) -> sitk.AffineTransform:
    """Fixed-space to moving-space points, LPS mm, by the model's network.

    Each image is encoded in its own axes about its own tissue, so headers play no part. `warn` is told where the
    landmarks make no sense; then the centres of the tissue are aligned.
    """
    here, there = landmark_grid(model, fixed), landmark_grid(model, moving)
    matrix = estimate_affine(model.network.affine, model.volume(fixed, here), model.volume(moving, there))
    local = matrix[0].double().cpu().numpy()
    if not plausible(local):
        warn(NO_LANDMARKS.format(name=model.card.name))
        local = np.eye(4)
    coarse = local_to_world(local, here, there)
    encoded = model.encode(fixed)
    rest = local_to_world(residual_affine(model, encoded, moving, coarse), encoded.canvas, encoded.canvas)
    both = affine_matrix(coarse) @ affine_matrix(rest)
    return affine_transform(both[:3, :3], both[:3, 3])


def plausible(matrix: np.ndarray) -> bool:
    """Whether one head could be another one after this affine: no mirror, and no zoom or shear beyond a half."""
    stretch = np.linalg.svd(matrix[:3, :3], compute_uv=False) if np.isfinite(matrix).all() else np.zeros(3)
    return bool(stretch.min() > 0.5 and stretch.max() < 2 and np.linalg.det(matrix[:3, :3]) > 0)


def landmark_grid(model: Model, image: sitk.Image) -> Grid:
    """The cubic grid on which landmarks are looked for."""
    network = model.network.affine
    size, spacing = (np.full(3, value).tolist() for value in (network.size, network.spacing_mm))
    return centred_grid(model.centre(image), size, spacing, as_closest_lps(Grid.of(image)).direction)


def residual_affine(
    model: Model, fixed: EncodedImage, moving: sitk.Image, alignment: sitk.AffineTransform
) -> np.ndarray:
    """(4, 4), mm about the canvas' middle: the affine part, over the fixed image's tissue, of T's answer after an
    alignment. Landmarks are few and a few mm off; T sees everything, but not far."""
    features = fixed.stack_with(model.network.encoder(model.volume(moving, fixed.canvas, alignment)))
    velocity = model.network.coarse_velocity(features)
    shape = velocity.shape[2:]
    spacing = velocity.new_tensor(fixed.canvas.spacing)
    points = (identity_grid(shape, velocity) * velocity.new_tensor(fixed.canvas.extent) / 2).reshape(1, -1, 3)
    moves = (velocity[0].flatten(1).T * spacing)[None]
    tissue = (F.interpolate(fixed.volume, shape, mode="area") > TISSUE_THRESHOLD).flatten(1).float()
    generator = fit_affine(points, points + moves, tissue) - torch.eye(4, device=points.device)
    return torch.linalg.matrix_exp(generator)[0].double().cpu().numpy()
