"""The two volumes of a registration in the latent space, for taking the registration apart."""

from __future__ import annotations

from collections.abc import Sequence

import SimpleITK as sitk
import torch

from ...latent.components import LatentComponents
from ...results.registration_result import RegistrationResult
from .model import Model, displacement_image


class EncodedPair:
    """A registration's volumes, encoded each alone: the `LatentPair` of parts.py.

    A network with skips decodes a latent difference with a difference of 0 in its finer features.
    """

    @torch.inference_mode()
    def __init__(self, model: Model, result: RegistrationResult, components: LatentComponents):
        self.model, self.components, self.canvas = model, components, model.canvas(result.fixed)
        alignment = result.transform.alignment
        volumes = model.volume(result.fixed, self.canvas), model.volume(result.moving, self.canvas, alignment)
        fixed, moving = (model.network.encode(volume) for volume in volumes)
        self.grid = fixed.shape
        encodings = [e.flatten().double().cpu().numpy() for e in (fixed, moving)]
        self.fixed_sd, self.moving_sd = (components.coordinates(e) for e in encodings)
        self.difference = encodings[1] - encodings[0]

    @torch.inference_mode()
    def displacement(self, components: Sequence[int] | None = None) -> sitk.Image:
        z = self.difference
        if components is not None:
            rows = self.components.basis[list(components)]
            z = (rows @ z) @ rows
        latent = torch.from_numpy(z).float().view(self.grid).to(self.model.device)
        field = self.model.network.decode(latent, self.canvas.size[::-1]).displacement
        return sitk.Cast(displacement_image(field, self.canvas), sitk.sitkVectorFloat32)
