"""Weights of other programs to safetensors, once: they are read as tensors alone, and no code of theirs is run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import BadInputError
from .construction import read_safetensors

KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "weights",
)  # under which programs keep them
PARALLEL = "module."  # before every name, of a network that was trained on several cards


def read_weights(path: Path) -> dict[str, Tensor]:
    """By name, of a `.safetensors` file or of one that torch wrote (.pth, .pt, .trch, .ckpt). Raises BadInputError."""
    if not path.is_file():
        raise BadInputError(f"There are no weights at {path}; give the file that the network's authors or you saved.")
    tensors: dict[str, Any] = _safe(path) if path.suffix == ".safetensors" else _unpickled(path)
    for key in KEYS:
        if isinstance(tensors.get(key), Mapping):
            tensors = tensors[key]
    weights = {str(name): value for name, value in tensors.items() if isinstance(value, Tensor)}
    if not weights:
        raise BadInputError(f"{path.name} holds no weights by name (a state_dict); save network.state_dict() anew.")
    if all(name.startswith(PARALLEL) for name in weights):
        weights = {name.removeprefix(PARALLEL): value for name, value in weights.items()}
    return {name: value.detach().clone().contiguous() for name, value in weights.items()}


def _safe(path: Path) -> dict[str, Any]:
    try:
        return dict(read_safetensors(path))
    except Exception as error:  # of the library's own kind, which has no name in its types
        raise _damaged(path) from error


def _unpickled(path: Path) -> dict[str, Any]:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported operand" in str(error):  # no pickle at all
            raise _damaged(path) from error
        raise BadInputError(
            f"{path.name} holds code or whole objects besides weights, which may do anything on this computer, so it "
            "is not loaded; where you trust it, load it in Python and save network.state_dict() alone."
        ) from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _damaged(path) from error
    if not isinstance(tensors, Mapping):
        raise BadInputError(f"{path.name} holds no weights by name (a state_dict); save network.state_dict() anew.")
    return dict(tensors)


def _damaged(path: Path) -> BadInputError:
    return BadInputError(f"{path.name} is damaged, or no file of weights; copy it again from its source.")
