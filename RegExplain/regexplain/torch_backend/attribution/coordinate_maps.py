"""Which voxels of a volume make its coordinate along a latent component large.

The coordinate a = (E(X) − mean) · u / sd is a sum over the latent's cells, so the map is that sum not carried out: in
each cell, over its channels, (E(X) − mean) ⊙ u / sd. As ∂a/∂E = u / sd, this is Grad-CAM with every cell's own gradient
(HiResCAM, Draelos & Carin 2020). Grad-CAM's spatial mean of the gradients would lose where u lies, and what a sums up
to: `benchmarks/pointing.py` measures how often either points at a known local change, and whether it tells its size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...cards.stages import coordinate_stage
from ...errors import BadInputError
from ...latent.components import LatentComponents
from ...results.explanations import Heatmap
from ...results.registration_result import RegistrationResult
from ..inference.model import Model
from ..spatial.warp import resize
from .resampling import resample_to_image


@torch.inference_mode()
def coordinate_maps(model: Model, result: RegistrationResult, component: int) -> list[Heatmap]:
    """Of both images' coordinates along a principal component (from 1): standard deviations a canvas voxel, signed."""
    count = len(model.components.sd)
    if not 1 <= component <= count:
        raise BadInputError(f"There is no component {component}; the model {model.card.name} has 1 to {count}.")
    canvas = model.canvas(result.fixed)
    volumes = {
        "fixed": model.volume(result.fixed, canvas),
        "moving": model.volume(result.moving, canvas, result.transform.alignment),
    }
    maps = []
    for grid, volume in volumes.items():
        cells = contributions(model.network.encode(volume), model.components, component - 1)
        image = resample_to_image(distribute(cells, volume.shape[2:]).cpu().numpy(), canvas, grid, result)
        maps.append(Heatmap(coordinate_stage(component, grid), grid, image, "whole image"))
    return maps


def contributions(latent: Tensor, components: LatentComponents, index: int) -> Tensor:
    """Of each cell of a latent (1, C, d, h, w) to its coordinate along a component (from 0): (d, h, w), sums to it."""
    mean, row = (torch.from_numpy(v).to(latent).view(latent.shape) for v in (components.mean, components.basis[index]))
    return ((latent - mean) * row).sum((0, 1)) / float(components.sd[index])


def distribute(cells: Tensor, shape) -> Tensor:
    """(d, h, w) to (D, H, W) of the same sum; cells span the canvas, each a whole number of its voxels."""
    voxels_a_cell = torch.Size(shape).numel() / cells.numel()
    return resize(cells[None, None], shape)[0, 0] / voxels_a_cell
