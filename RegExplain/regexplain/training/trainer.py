"""Training of a registration network on random pairs of different subjects."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..networks.latent import LatentNetwork
from ..progress import Progress
from ..registry import WEIGHTS
from . import checkpoints
from .batches import batches, on_device
from .cases import split
from .config import TrainingConfig
from .distributed import ALONE, Workers
from .evaluation import mean_dice
from .objective import Pairs, losses, weighted_sum

WARM_UP_STEPS = 200
AVERAGE_DECAY = 0.998
LOOK_EVERY = 250
LOG = "log.jsonl"


class Trainer:
    """Owns the network, its running average (what is shipped), the optimiser and the step; resumes from its folder."""

    def __init__(
        self,
        config: TrainingConfig,
        progress: Progress,
        device: torch.device | str = "cpu",
        workers: Workers = ALONE,
    ):
        torch.manual_seed(config.seed)
        self.config, self.progress, self.workers = config, progress, workers
        self.device, self.step, self.best = torch.device(device), 0, -math.inf
        self.folder = config.path(config.output)
        self.share = workers.share(config.batch)
        self.network = LatentNetwork(**config.network).to(self.device)
        if config.start_from:
            self.network.load_state_dict(load_file(str(config.path(config.start_from))))
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self.together = workers.together(self.network)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.train_cases, self.held_out = split(config)

    def run(self) -> Path:
        """Train to the configured number of steps; returns the file of the weights to ship, which `average` holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        resumed = checkpoints.resume(self.folder, self.network, self.average, self.optimiser)
        if resumed:
            self.step, self.best = resumed
        for pairs in batches(self.train_cases, self.config, self.step, self.share):
            numbers = self.train_step(on_device(pairs, self.device))
            if self.step % LOOK_EVERY == 0 or self.step == self.config.steps:
                self._look(numbers)
            shown = {"loss": numbers["total"]} | ({"held-out Dice": self.best} if self.best > 0 else {})
            self.progress.report("Training", self.step, self.config.steps, shown)
        self.average.load_state_dict(load_file(str(self.folder / WEIGHTS)))
        return self.folder / WEIGHTS

    def train_step(self, pairs: Pairs) -> dict[str, float]:
        """One step of the optimiser; the losses and the seconds it took."""
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._schedule()
        self.optimiser.zero_grad()
        terms = self.backward(pairs)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        return {name: value.item() for name, value in terms.items()} | {"seconds": time.perf_counter() - started}

    def backward(self, pairs: Pairs) -> dict[str, Tensor]:
        """Losses of this process' pairs; the gradients of all processes' mean are in the parameters afterwards."""
        fixed, _, moving, _ = pairs
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            output = self.together(fixed, moving, [n // self.config.loss_cell for n in fixed.shape[2:]])
        terms = losses(output, pairs, self.config.losses)
        total = weighted_sum(terms, self.config.losses)
        total.backward()
        return terms | {"total": total}

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(AVERAGE_DECAY, self.step / (9 + self.step))
        for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)

    def _schedule(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return warm * 0.5 * (1 + math.cos(math.pi * self.step / self.config.steps))

    def _look(self, numbers: dict[str, float]) -> None:
        """Measure the held-out cases, log, keep the state and the best; the other processes wait."""
        if self.workers.first:
            dice = mean_dice(self.average, self.held_out, self.device) if self.held_out else None
            row = {"step": self.step, "time": round(time.time(), 1), "held_out_dice": dice} | numbers
            with open(self.folder / LOG, "a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            if dice is None or dice > self.best:
                self.best = self.best if dice is None else dice
                checkpoints.keep_as_best(self.folder, self.average)
            checkpoints.save(self.folder, self.step, self.best, self.network, self.average, self.optimiser)
        self.workers.wait()
