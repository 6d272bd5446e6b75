"""Grad-CAM (Selvaraju et al. 2017): Σ_k α_k A_k of the activations A_k, α_k the spatial mean of ∂scalar/∂A_k.

The mean makes it smooth, and blind to where the gradient lies: it also marks cells that the scalar does not depend on.
"""

from __future__ import annotations

from torch import Tensor

from ..attribution import StageAttribution


class GradCam(StageAttribution):
    def cells(self, activation: Tensor, gradient: Tensor) -> Tensor:
        weights = gradient.mean((2, 3, 4), keepdim=True)
        return (weights * activation).sum((0, 1))


METHOD = GradCam()
