"""The fixed image as F draws it from the moving one: what a scan of the moving contrast says that it looks like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import torch

from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from .model import Model
from .regions import regions


class Drawing(NamedTuple):
    """image: on the fixed grid, in [0, 1]. inside: (z, y, x) bool, where the canvas reaches. contrast: its name.
    anatomy: the label map of the structures that G sees in the fixed image, on the canvas, and their names."""

    image: sitk.Image
    inside: np.ndarray
    contrast: str
    anatomy: tuple[sitk.Image, dict[int, str]] | None


@torch.inference_mode()
def draw_fixed(model: Model, result: RegistrationResult) -> Drawing:
    """model: of a FireNetwork with modalities. The moving image is warped by the result's transform, refined or not,
    then encoded and drawn in the fixed image's contrast, which is the one that the network takes it for, given that the
    two differ."""
    own = result.masked()
    encoded = model.encode(own.fixed)
    canvas, network = encoded.canvas, model.network
    moving = model.volume(own.warped_moving, canvas)
    features = encoded.stack_with(network.encoder(moving))
    shares = network.modality_probabilities(torch.cat([encoded.volume, moving]), features).double()
    names = network.modalities
    whole = shares[0] * (shares[1].sum() - shares[1])  # of the fixed image, and another of the moving one
    contrast = names[int(whole.argmax())]
    drawn, _ = network.synthesise(features[-1][1:], contrast)
    grid = Grid.of(result.fixed)
    inside = sitk.GetArrayFromImage(grid.resample(canvas.ones(), nearest=True)) > 0
    image = grid.resample(canvas.image(drawn[0, 0].float().cpu().numpy()))
    return Drawing(image, inside, contrast, regions(model, encoded))
