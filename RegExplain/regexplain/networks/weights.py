"""Weights from a file into a network."""

from pathlib import Path

import torch
from torch import nn

from ..storage import read


def load_weights(network: nn.Module, path: Path) -> None:
    """Raises RuntimeError where they are another network's."""
    network.load_state_dict({name: torch.from_numpy(values) for name, values in read(path).items()})
