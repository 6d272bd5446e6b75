"""The linear part of a registration, where the model itself estimates it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch

from ..alignment import in_world
from ..geometry import Grid, anatomical, centred_grid
from ..networks.affine import estimated
from .model import Model


@torch.inference_mode()
def align(model: Model, fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    """Fixed-space to moving-space points, LPS mm, by the affine part of the model's network.

    Each image is seen in its own axes about its own tissue, so headers play no part.
    """
    network = model.network.affine
    here, there = landmark_grid(model, fixed), landmark_grid(model, moving)
    matrix = estimated(network, model.volume(fixed, here), model.volume(moving, there))
    return in_world(matrix[0].double().cpu().numpy(), here, there)


def landmark_grid(model: Model, image: sitk.Image) -> Grid:
    """The cubic grid on which landmarks are looked for."""
    network = model.network.affine
    size, spacing = (np.full(3, value).tolist() for value in (network.size, network.spacing_mm))
    return centred_grid(model.centre(image), size, spacing, anatomical(Grid.of(image)).direction)
