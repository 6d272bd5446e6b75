"""network(both images as channels of one volume): MONAI's LocalNet and GlobalNet, any U-Net."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import field_in


def field(network: Any, first: Tensor, second: Tensor) -> Any:
    return field_in(network(torch.cat([first, second], 1)))
