"""Grad-CAM for a dense output: which voxels made the network move a region as it did.

Grad-CAM (Selvaraju et al. 2017) needs one scalar; ours, as in Seg-Grad-CAM (Vinogradova et al. 2020), is taken over a
region R: the mean displacement magnitude in R (mm). For a stage with activations A_k the map is Σ_k α_k A_k, α_k the
spatial mean of ∂scalar/∂A_k. It is kept signed (plain Grad-CAM cuts at 0; negative says "held it back") and raw (no
per-map scaling, so that maps of two stages or directions can be compared).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.latent import LatentNetwork, RegistrationOutput

EPS_MM = 1e-3


def mean_magnitude(output: RegistrationOutput, region: Tensor, spacing) -> Tensor:
    """Mean |u| in mm over `region` (D, H, W), weights in [0, 1]. Smooth at |u| = 0."""
    millimetres = output.displacement[0] * output.displacement.new_tensor(spacing).view(3, 1, 1, 1)
    magnitude = torch.sqrt((millimetres**2).sum(0) + EPS_MM**2)
    return (magnitude * region).sum() / region.sum()


def grad_cam(
    network: LatentNetwork, fixed: Tensor, moving: Tensor, region: Tensor, spacing, stages: list[str]
) -> dict[str, Tensor]:
    """Signed maps (D, H, W) on the canvas, one a stage. fixed, moving: (1, 1, D, H, W); region: (D, H, W).

    The encoder is shared and called once for both streams; each stream's map takes that stream's activations and
    gradients alone. The decoder's is the sum over its two passes (z and −z).
    """
    with torch.enable_grad():
        output = network(fixed.detach().requires_grad_(), moving.detach().requires_grad_())
        activations = [output.stages[stage] for stage in stages]
        gradients = torch.autograd.grad(mean_magnitude(output, region, spacing), activations)
    return {
        stage: _on_canvas(_weighted(a.detach(), g), fixed.shape[2:])
        for stage, a, g in zip(stages, activations, gradients, strict=True)
    }


def _weighted(activation: Tensor, gradient: Tensor) -> Tensor:
    """(B, C, d, h, w) twice to (d, h, w): Σ over passes and channels of mean gradient times activation."""
    weights = gradient.mean((2, 3, 4), keepdim=True)
    return (weights * activation).sum((0, 1))


def _on_canvas(cells: Tensor, shape) -> Tensor:
    """Every stage's cells span the canvas and are centred in it, so a cell-centred interpolation puts them in place."""
    return F.interpolate(cells[None, None], size=tuple(shape), mode="trilinear", align_corners=False)[0, 0]
