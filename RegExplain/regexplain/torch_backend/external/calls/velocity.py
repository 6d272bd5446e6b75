"""network(first, second), a stationary velocity in voxels, channel i along array axis i: integrated here."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...spatial.transformation import exponentiate_velocity
from . import field_in


def field(network: Any, first: Tensor, second: Tensor) -> Any:
    velocity = field_in(network(first, second))
    return exponentiate_velocity(velocity.flip(1))[0].flip(1)
