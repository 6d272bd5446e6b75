"""The fixed image as F synthesises it from the moving one, in the fixed image's contrast."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import torch

from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from .model import Model
from .regions import regions


class SynthesisedImage(NamedTuple):
    """image: on the fixed grid, in [0, 1]. inside: (z, y, x) bool, where the canvas reaches. contrast: its name.
    anatomy: the label map of the structures that G segments in the fixed image, on the canvas, and their names."""

    image: sitk.Image
    inside: np.ndarray
    contrast: str
    anatomy: tuple[sitk.Image, dict[int, str]] | None


@torch.inference_mode()
def synthesise_fixed(model: Model, result: RegistrationResult) -> SynthesisedImage:
    """model: of a FireNetwork with modalities. The moving image is warped by the result's transform, refined or not,
    then encoded and synthesised in the fixed image's contrast, as the network classifies it, given that the
    two differ."""
    masked = result.masked()
    encoded = model.encode(masked.fixed)
    canvas, network = encoded.canvas, model.network
    moving = model.volume(masked.warped_moving, canvas)
    features = encoded.stack_with(network.encoder(moving))
    probabilities = network.modality_probabilities(torch.cat([encoded.volume, moving]), features).double()
    names = network.modalities
    scores = probabilities[0] * (probabilities[1].sum() - probabilities[1])  # of fixed, not of moving
    contrast = names[int(scores.argmax())]
    synthesised, _ = network.synthesise(features[-1][1:], contrast)
    grid = Grid.of(result.fixed)
    inside = sitk.GetArrayFromImage(grid.resample(canvas.ones(), nearest=True)) > 0
    image = grid.resample(canvas.image(synthesised[0, 0].float().cpu().numpy()))
    return SynthesisedImage(image, inside, contrast, regions(model, encoded))
