"""The ways to ask a network of another framework, a file each, found by the names in `cards/external.py`.

Each file has `field(network, first, second)`: of two volumes (1, 1, D, H, W) on one grid, in the network's own axes and
order, the field (1, 3, D, H, W) that it answers with.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor


def call(name: str) -> Callable[[Any, Tensor, Tensor], Any]:
    return import_module(f".{name}", __package__).field


def field_in(answer: Any) -> Any:
    """The one of several answers that has three channels, as of (warped image, field); else what there is."""
    several = answer if isinstance(answer, (tuple, list)) else [answer]
    fields = [one for one in several if isinstance(one, torch.Tensor) and one.dim() == 5 and one.shape[1] == 3]
    return fields[-1] if fields else several[-1] if several else None
