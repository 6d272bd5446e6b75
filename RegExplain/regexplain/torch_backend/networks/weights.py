"""Weights from a file into a network."""

from pathlib import Path

import torch
from torch import nn

from ...cards.quantization import read


def load_weights(network: nn.Module, path: Path, of_more: bool = False) -> None:
    """Raises RuntimeError where they are another network's. of_more: the file may hold parts that this one has not."""
    weights = {name: torch.from_numpy(values) for name, values in read(path).items()}
    if of_more:
        weights = {name: weights[name] for name in network.state_dict() if name in weights}
    network.load_state_dict(weights)
