"""HiResCAM (Draelos & Carin 2020): Σ_k g_k ⊙ A_k, each cell weighted by its own gradient g_k = ∂scalar/∂A_k."""

from __future__ import annotations

from torch import Tensor

from ..attribution import StageAttribution


class HiResCam(StageAttribution):
    def cells(self, activation: Tensor, gradient: Tensor) -> Tensor:
        return (gradient * activation).sum((0, 1))


METHOD = HiResCam()
