"""What an attribution explains: one scalar that a network computes from two volumes, and the activations before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..networks.latent import RegistrationNetwork, RegistrationOutput
from .scalars import motion_scalar


@dataclass(frozen=True)
class Target:
    """`forward` takes the two volumes, (1, 1, D, H, W) each, to (the scalar, activations by stage).

    The activations are (B, C, d, h, w) on cell-centred grids that span the canvas. `grids`: stage → the image that it
    explains, "fixed" or "moving"; stages of one module stand in the order in which its batch holds them.
    """

    network: RegistrationNetwork
    fixed: Tensor
    moving: Tensor
    forward: Callable[[Tensor, Tensor], tuple[Tensor, Mapping[str, Tensor]]]
    grids: Mapping[str, str]


def motion_target(
    network: Any,
    fixed: Tensor,
    moving: Tensor,
    scalar: str,
    region: Tensor,
    spacing,
    inverse: bool = False,
    register: Callable[[Tensor, Tensor], RegistrationOutput] | None = None,
) -> Target:
    """Why a network moves the region (D, H, W) as it does. network: takes two volumes to a RegistrationOutput and names
    its `stages`, as LatentNetwork does; scalar: see `motion_scalar`.

    inverse: of the displacement of moving → fixed, on the same canvas. register: the network itself by default.
    """
    measure = motion_scalar(scalar)

    def forward(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        output = (register or network)(fixed, moving)
        return measure(output.inverse if inverse else output.displacement, region, spacing), output.stages

    return Target(network, fixed, moving, forward, network.stages)
