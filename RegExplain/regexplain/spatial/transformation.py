"""From the decoder's output to a displacement and the one of the opposite direction.

Both take the decoder's raw output (B, C, D, H, W), antisymmetric in (fixed, moving), and return the displacements
(B, 3, D, H, W) of fixed → moving and moving → fixed in voxels of that grid. A zero output is the identity.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .warp import compose

SQUARINGS = 6


def velocity(raw: Tensor) -> tuple[Tensor, Tensor]:
    """exp(v) and exp(-v) of a stationary velocity field by scaling and squaring: inverse to each other by construction.

    C = 3, voxels per unit time.
    """
    both = torch.cat([raw, -raw]) / 2**SQUARINGS
    for _ in range(SQUARINGS):
        both = compose(both, both)
    forward, backward = both.chunk(2)
    return forward, backward


def gradient(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Positions as the cumulative sum of the positive gradients 2σ(g) (Estienne et al. 2021, section 2).

    C = 6: the gradient of each component along its own axis, and, ours, an offset whose mean along each line anchors
    the sum, so that the border can move too. The two directions are only approximately inverse to each other.
    """
    return _summed(raw), _summed(-raw)


def _summed(raw: Tensor) -> Tensor:
    components = []
    for component, axis in enumerate((4, 3, 2)):
        step = 2 * torch.sigmoid(raw[:, component : component + 1]) - 1
        position = step.cumsum(axis) - step / 2
        anchor = raw[:, 3 + component : 4 + component]
        components.append(position - position.mean(axis, keepdim=True) + anchor.mean(axis, keepdim=True))
    return torch.cat(components, 1)


TRANSFORMATIONS = {"velocity": (velocity, 3), "gradient": (gradient, 6)}
