"""network(first, second): voxelmorph's VxmPairwise, MONAI's VoxelMorph."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from . import field_in


def field(network: Any, first: Tensor, second: Tensor) -> Any:
    return field_in(network(first, second))
