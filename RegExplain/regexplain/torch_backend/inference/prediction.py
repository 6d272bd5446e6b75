"""From two images and their alignment to displacements in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import torch

from ...landmarks.pairs import LandmarkPairs
from ...latent.components import LatentComponents
from ...motions.anatomy import Anatomy
from ...progress import Progress
from ...results.explanations import ComponentMotion
from .masks import Masks
from .model import Model, displacement_image
from .regions import regions
from .resolutions import refine_coarse_to_fine


class Prediction(NamedTuple):
    """The displacement of fixed → moving and the one that undoes it: fixed space, on the canvas, LPS mm, float64.

    encodings: of the "fixed" and the "moving" volume, (n,) float64. regions: the network's
    segmentation of the fixed image, a label map on the canvas, and the names of its labels; None where it predicts
    none. unrefined: the two displacements before refining, if there was any.
    """

    displacement: sitk.Image
    inverse: sitk.Image
    encodings: dict[str, np.ndarray]
    regions: tuple[sitk.Image, dict[int, str]] | None
    unrefined: tuple[sitk.Image, sitk.Image] | None = None

    @property
    def without_refining(self) -> Prediction:
        """What the network alone predicted."""
        forward, backward = self.unrefined or (self.displacement, self.inverse)
        return self._replace(displacement=forward, inverse=backward, unrefined=None)


@torch.inference_mode()
def predict(
    model: Model,
    fixed: sitk.Image,
    moving: sitk.Image,
    alignment: sitk.Transform,
    refine: int = 0,
    progress: Progress | None = None,
    masks: Masks = (None, None),
    landmarks: LandmarkPairs | None = None,
) -> Prediction:
    """refine: steps of instance optimisation after the network's prediction.

    masks: of fixed and of moving, each on its image's grid: refining compares nothing outside. The network gets the
    images as they are given (`images.mask_image` darkens what lies outside). landmarks: that refining is to lay on each
    other too.
    """
    encoded = model.encode(fixed, moving, alignment)
    canvas, network, volume = encoded.canvas, model.network, model.volume(moving, encoded.canvas, alignment)
    output = network.register(encoded.stack_with(network.encoder(volume)), volume.shape[2:])
    unrefined = None
    if refine:
        unrefined = displacement_image(output.displacement, canvas), displacement_image(output.inverse, canvas)
        output, canvas = refine_coarse_to_fine(
            model, (fixed, moving), alignment, encoded, volume, output, refine, masks, progress, landmarks
        )
    encodings = {
        stage.removeprefix("encoder-"): activation.flatten().double().cpu().numpy()
        for stage, activation in output.stages.items()
        if stage.startswith("encoder-")
    }
    return Prediction(
        displacement_image(output.displacement, canvas),
        displacement_image(output.inverse, canvas),
        encodings,
        regions(model, encoded),
        unrefined,
    )


@torch.inference_mode()
def component_motions(
    model: Model,
    fixed: sitk.Image,
    moving: sitk.Image,
    alignment: sitk.Transform,
    count: int,
    strengths: Sequence[float],
    segmentation: sitk.Image | None = None,
    basis: str = "pca",
    components: LatentComponents | None = None,
) -> list[ComponentMotion]:
    """The elementary warps D(λu_j) of the first `count` components about the fixed image, each named.

    components: by default those of the model, in that basis.
    The name is that of the warp at +1 standard deviation, whether or not it is among the strengths, fitted within the
    fixed segmentation. The warps at +1 and −1 undo each other, but an average of their fields would be neither.
    """
    canvas, components = model.canvas(fixed), components or model.components_in(basis)
    anatomy = Anatomy.of(fixed, segmentation)
    volumes = torch.cat([model.volume(fixed, canvas), model.volume(moving, canvas, alignment)])
    encodings = model.network.encode(volumes)
    fixed_sd, moving_sd = components.coordinates(encodings.flatten(1).double().cpu().numpy())
    motions = []
    for index in range(min(count, len(components.sd))):
        latents = np.stack([components.direction(index, s) for s in (*strengths, 1.0)])
        z = torch.from_numpy(latents).float().reshape(-1, *encodings.shape[1:]).to(model.device)
        *fields, named = (
            sitk.Cast(displacement_image(field[None], canvas), sitk.sitkVectorFloat32)
            for field in model.network.decode(z, volumes.shape[2:]).displacement
        )
        motions.append(
            ComponentMotion(
                index + 1,
                float(components.explained_variance[index]),
                float(fixed_sd[index]),
                float(moving_sd[index]),
                dict(zip(map(float, strengths), fields, strict=True)),
                anatomy.motion(named),
                basis,
            )
        )
    return motions


@torch.inference_mode()
def decoded(model: Model, fixed: sitk.Image, difference: np.ndarray) -> sitk.Image:
    """What a latent difference (n,) moves about the fixed image: a vector image on the canvas, LPS mm."""
    canvas = model.canvas(fixed)
    shape = model.network.encode(model.volume(fixed, canvas)).shape
    latent = torch.from_numpy(difference).float().view(shape).to(model.device)
    return displacement_image(model.network.decode(latent, canvas.size[::-1]).displacement, canvas)
