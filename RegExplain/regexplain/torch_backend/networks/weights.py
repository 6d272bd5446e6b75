"""Weights from a file into a network."""

from pathlib import Path

import torch
from torch import nn

from ...cards.quantization import load_dequantized


def load_weights(network: nn.Module, path: Path, allow_extra: bool = False) -> None:
    """Raises RuntimeError for weights of another network. allow_extra: the file may hold more than the network has."""
    weights = {name: torch.from_numpy(values) for name, values in load_dequantized(path).items()}
    if allow_extra:
        weights = {name: weights[name] for name in network.state_dict() if name in weights}
    network.load_state_dict(weights)
