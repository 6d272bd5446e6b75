"""phi = network(first, second), a function of coordinates in [0, 1]: ICON, GradICON, uniGradICON."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def field(network: Any, first: Tensor, second: Tensor) -> Any:
    """Where phi takes the network's identity map. One for training holds the one that registers as `regis_net`."""
    registers = getattr(network, "regis_net", network)
    shape = [1, 1, *first.shape[2:]]
    if list(getattr(registers, "input_shape", ())) != shape:
        registers.assign_identity_map(shape)
        registers.to(first.device)
    return registers(first, second)(registers.identity_map)
