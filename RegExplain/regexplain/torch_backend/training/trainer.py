"""The training loop of any network; a task says what is trained and how."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from ...cards.registry import WEIGHTS
from ...progress import Progress
from ..networks.weights import load_weights
from . import checkpoints
from .config import TrainingConfig
from .distributed import SINGLE_PROCESS, Workers

WARM_UP_STEPS = 200
AVERAGE_DECAY = 0.998
VALIDATE_EVERY = 250
LOG = "log.jsonl"


class Task(Protocol):
    """What is trained: the network, its batches, its losses, and its metrics on the held-out data."""

    @property
    def config(self) -> TrainingConfig: ...

    def network(self) -> nn.Module:
        """A new one."""

    def objective(self, network: nn.Module) -> nn.Module:
        """A module from a batch to the losses by name; "total" is minimised, the others are for the log."""

    def batch(self, step: int, indices: range) -> Any:
        """Of one item an index, each made from seed, step and index alone: a resumed run gets the same."""

    def validate(self, average: nn.Module, device: torch.device) -> dict[str, float]:
        """Metrics of the held-out data, by names that begin with "held_out": in the first, larger is better."""


AnyTask = TypeVar("AnyTask", bound=Task)


class Trainer(Generic[AnyTask]):
    """Owns the network, its running average (what is shipped), the optimiser and the step; resumes from its folder."""

    def __init__(
        self,
        task: AnyTask,
        progress: Progress,
        device: torch.device | str = "cpu",
        workers: Workers = SINGLE_PROCESS,
    ):
        self.task, self.config, self.progress, self.workers = task, task.config, progress, workers
        torch.manual_seed(self.config.seed)
        self.device, self.step, self.best = torch.device(device), 0, -math.inf
        self.folder = self.config.path(self.config.output)
        self.share = workers.share(self.config.batch)
        self.network = initialise(task.network(), self.config).to(self.device)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.objective = workers.distribute(task.objective(self.network))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=self.config.learning_rate)

    def run(self) -> Path:
        """Train to the configured number of steps; returns the file of the weights to ship, which `average` holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        resumed = checkpoints.resume(self.folder, self.network, self.average, self.optimiser)
        if resumed:
            self.step, self.best = resumed
        for batch in self._batches():
            numbers = self.train_step(move_to_device(batch, self.device))
            if self.step % VALIDATE_EVERY == 0 or self.step == self.config.steps:
                self._validate(numbers)
            shown = {"loss": numbers["total"]} | ({"best held out": self.best} if math.isfinite(self.best) else {})
            self.progress.report("Training", self.step, self.config.steps, shown)
        load_weights(self.average, self.folder / WEIGHTS)
        return self.folder / WEIGHTS

    def train_step(self, batch: Any) -> dict[str, float]:
        """One step of the optimiser; the losses and the seconds it took."""
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._schedule()
        self.optimiser.zero_grad()
        terms = self.backward(batch)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        return {name: value.item() for name, value in terms.items()} | {"seconds": time.perf_counter() - started}

    def backward(self, batch: Any) -> dict[str, Tensor]:
        """Losses of this process' items; the gradients of all processes' mean are in the parameters afterwards."""
        terms = self.objective(batch)
        terms["total"].backward()
        return terms

    def _batches(self) -> Iterator[Any]:
        """From this step on, each made in a thread while the one before is used."""
        with ThreadPoolExecutor(1) as maker:
            coming = maker.submit(self.task.batch, self.step, self.share)
            for step in range(self.step + 1, self.config.steps + 1):
                ready = coming.result()
                coming = maker.submit(self.task.batch, step, self.share)
                yield ready

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(AVERAGE_DECAY, self.step / (9 + self.step))
        for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)

    def _schedule(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return warm * 0.5 * (1 + math.cos(math.pi * self.step / self.config.steps))

    def _validate(self, numbers: dict[str, float]) -> None:
        """Validate, log, save the state and the best weights; the other processes wait."""
        if self.workers.first:
            figures = self.task.validate(self.average, self.device)
            row = {"step": self.step, "time": round(time.time(), 1)} | figures | numbers
            with open(self.folder / LOG, "a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            figure = next(iter(figures.values()), None)
            if figure is None or figure > self.best:
                self.best = self.best if figure is None else figure
                checkpoints.keep_as_best(self.folder, self.average)
            checkpoints.save(self.folder, self.step, self.best, self.network, self.average, self.optimiser)
        self.workers.wait()


def initialise(network: nn.Module, config: TrainingConfig) -> nn.Module:
    """`network` with the pretrained weights and the frozen modules of the configuration."""
    if config.start_from:
        load_weights(network, config.path(config.start_from), allow_extra=True)
    for part in config.frozen:
        network.get_submodule(part).requires_grad_(False)
    return network


def move_to_device(batch: Any, device: torch.device) -> Any:
    """Tensors, in tuples (named ones too), dictionaries or alone, moved to the device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: move_to_device(part, device) for key, part in batch.items()}
    if isinstance(batch, tuple):
        parts = [move_to_device(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return batch
