"""What a training run keeps on disk, each file whole or absent.

`state.safetensors`: all that the next step depends on. `weights.safetensors`: the averaged network with the best
validation metric (the last where none are held out), in 8 bits as it ships. `last.safetensors`: the averaged network of
the last validation.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...cards.quantization import quantize
from ...cards.registry import WEIGHTS
from ...errors import BadInputError

STATE, LAST = "state.safetensors", "last.safetensors"


def save(
    folder: Path, step: int, best: float, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    state = {f"network.{k}": v for k, v in network.state_dict().items()}
    state |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for index, moments in optimiser.state_dict()["state"].items():
        state |= {f"adam.{index}.{key}": value for key, value in moments.items()}
    numbers = {"step": torch.tensor(step), "best": torch.tensor(best, dtype=torch.float64)}
    write(average.state_dict(), folder / LAST)
    write(state | numbers, folder / STATE)


def resume(
    folder: Path, network: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[int, float] | None:
    """Puts everything back and returns (step, best); None where there is nothing to resume. Raises BadInputError."""
    if not (folder / STATE).exists():
        return None
    state = load_file(str(folder / STATE))
    try:
        network.load_state_dict(_under("network.", state))
        average.load_state_dict(_under("average.", state))
    except RuntimeError as error:
        raise BadInputError(
            f"{folder} holds a run of another network; name another output in the configuration, or remove it."
        ) from error
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("adam.", state).items():
        index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    return int(state["step"]), float(state["best"])


def keep_as_best(folder: Path, average: nn.Module) -> None:
    state = {name: value.numpy(force=True) for name, value in average.state_dict().items()}
    write({name: torch.from_numpy(value) for name, value in quantize(state).items()}, folder / WEIGHTS)


def write(tensors: dict[str, Tensor], path: Path) -> None:
    aside = path.with_suffix(".partial")
    save_file({key: value.contiguous() for key, value in tensors.items()}, str(aside))
    aside.replace(path)


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
