"""From the decoder's output to a displacement and the one of the opposite direction.

Both take the decoder's raw output (B, C, D, H, W), antisymmetric in (fixed, moving), and how many canvas voxels a cell
of its grid measures, and return the displacements (B, 3, D, H, W) of fixed → moving and moving → fixed in cells. A zero
output is the identity. What raw means does not depend on the resolution, so parts of several levels can be added.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .warp import compose

SQUARINGS = 6


def exponentiate_velocity(raw: Tensor, cell: float = 1) -> tuple[Tensor, Tensor]:
    """exp(v) and exp(-v) of a stationary velocity field by scaling and squaring: inverse to each other by construction.

    C = 3, canvas voxels per unit time.
    """
    forward, backward = _exponentiate(torch.cat([raw, -raw]), cell).chunk(2)
    return forward, backward


def _exponentiate(raw: Tensor, cell: float) -> Tensor:
    displacement = raw / (cell * 2**SQUARINGS)
    for _ in range(SQUARINGS):
        displacement = compose(displacement, displacement)
    return displacement


def integrate_gradients(raw: Tensor, cell: float = 1) -> tuple[Tensor, Tensor]:
    """Positions as the cumulative sum of the positive gradients 2σ(g) (Estienne et al. 2021, section 2).

    C = 6: the gradient of each component along its own axis, and, ours, an offset (canvas voxels) whose mean along each
    line anchors the sum, so that the border can move too. The two directions are only nearly inverse to each other.
    """
    return _cumulative_displacement(raw, cell), _cumulative_displacement(-raw, cell)


def _cumulative_displacement(raw: Tensor, cell: float) -> Tensor:
    components = []
    for component, axis in enumerate((4, 3, 2)):
        step = 2 * torch.sigmoid(raw[:, component : component + 1]) - 1
        position = step.cumsum(axis) - step / 2
        anchor = raw[:, 3 + component : 4 + component]
        components.append(position - position.mean(axis, keepdim=True) + anchor.mean(axis, keepdim=True) / cell)
    return torch.cat(components, 1)


TRANSFORMATIONS = {"velocity": (exponentiate_velocity, 3), "gradient": (integrate_gradients, 6)}
FORWARD = {
    exponentiate_velocity: _exponentiate,
    integrate_gradients: _cumulative_displacement,
}  # fixed → moving alone, in half the time
