"""From two images and their alignment to displacements in millimetres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
import torch

from ..results.explanations import ComponentMotion
from .model import Model, displacement_image


@torch.inference_mode()
def predict(
    model: Model, fixed: sitk.Image, moving: sitk.Image, alignment: sitk.Transform
) -> tuple[sitk.Image, sitk.Image]:
    """The displacement of fixed → moving and the one that undoes it: fixed space, on the canvas, LPS mm, float64."""
    canvas = model.canvas(fixed)
    output = model.network(model.volume(fixed, canvas), model.volume(moving, canvas, alignment))
    return displacement_image(output.displacement, canvas), displacement_image(output.inverse, canvas)


@torch.inference_mode()
def component_motions(
    model: Model,
    fixed: sitk.Image,
    moving: sitk.Image,
    alignment: sitk.Transform,
    count: int,
    strengths: Sequence[float],
) -> list[ComponentMotion]:
    """The elementary warps D(λu_j) of the first `count` components about the fixed image."""
    canvas, components = model.canvas(fixed), model.components
    volumes = torch.cat([model.volume(fixed, canvas), model.volume(moving, canvas, alignment)])
    encodings = model.network.encode(volumes)
    fixed_sd, moving_sd = components.coordinates(encodings.flatten(1).double().cpu().numpy())
    motions = []
    for index in range(min(count, len(components.sd))):
        latents = np.stack([components.direction(index, s) for s in strengths])
        z = torch.from_numpy(latents).float().reshape(-1, *encodings.shape[1:]).to(model.device)
        fields = model.network.decode(z, volumes.shape[2:]).displacement
        images = {
            float(s): sitk.Cast(displacement_image(f[None], canvas), sitk.sitkVectorFloat32)
            for s, f in zip(strengths, fields, strict=True)
        }
        motions.append(
            ComponentMotion(
                index + 1,
                float(components.explained_variance[index]),
                float(fixed_sd[index]),
                float(moving_sd[index]),
                images,
            )
        )
    return motions
