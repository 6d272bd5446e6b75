"""Training of a registration network on random pairs of different subjects."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..inference.model import chosen_device
from ..losses.overlap import soft_dice_loss
from ..losses.regularity import folding_loss, smoothness_loss
from ..losses.similarity import local_ncc_loss
from ..networks.latent import LatentNetwork
from ..progress import Progress
from ..spatial.warp import resized, warp
from .augmentation import augmented
from .cases import Case, split
from .config import TrainingConfig
from .evaluation import mean_dice

WARM_UP_STEPS = 200
AVERAGE_DECAY = 0.998
LOOK_EVERY = 250


class Trainer:
    """Owns the network, its running average (what is shipped), the optimiser and the step; resumes from its folder."""

    def __init__(self, config: TrainingConfig, progress: Progress, device: str = "cpu"):
        torch.manual_seed(config.seed)
        self.config, self.progress, self.device, self.step = config, progress, chosen_device(device), 0
        self.folder = config.path(config.output)
        self.network = LatentNetwork(**config.network).to(self.device)
        if config.start_from:
            self.network.load_state_dict(load_file(str(config.path(config.start_from))))
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)
        self.train_cases, self.held_out = split(config)

    def run(self) -> Path:
        """Train to the configured number of steps; returns the file of the averaged weights."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / "state.safetensors").exists():
            self._resume()
        while self.step < self.config.steps:
            losses = self._train_step()
            self.step += 1
            self.progress.report("Training", self.step, self.config.steps)
            if self.step % LOOK_EVERY == 0 or self.step == self.config.steps:
                self._look(losses)
        return self.folder / "weights.safetensors"

    def _train_step(self) -> dict[str, float]:
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.learning_rate * self._schedule()
        losses = self._losses(*self._pairs())
        weights = vars(self.config.losses)
        total = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        self.optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
            for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        return {name: value.item() for name, value in losses.items()} | {"seconds": time.perf_counter() - started}

    def _schedule(self) -> float:
        warm = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return warm * 0.5 * (1 + math.cos(math.pi * self.step / self.config.steps))

    def _pairs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """fixed, its segments, moving, its segments; drawn from seed and step alone, so a resumed run is the same."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        chosen = torch.cat(
            [torch.randperm(len(self.train_cases), generator=generator)[:2] for _ in range(self.config.batch)]
        )
        cases: list[Case] = [self.train_cases[i] for i in chosen.tolist()]
        volumes, segments = augmented(
            torch.stack([c.volume for c in cases]),
            torch.stack([c.segments for c in cases]),
            self.config.augmentation,
            generator,
        )
        volumes, segments = volumes.to(self.device), segments.to(self.device)
        return volumes[0::2], segments[0::2], volumes[1::2], segments[1::2]

    def _losses(
        self, fixed: Tensor, fixed_segments: Tensor, moving: Tensor, moving_segments: Tensor
    ) -> dict[str, Tensor]:
        """Both directions at half resolution, where the field lives; Dice at a quarter too, for its longer reach."""
        output = self.network(fixed, moving)
        half = output.raw.shape[2:]
        displacement = resized(torch.cat([output.displacement, output.inverse]), half)
        # Sampled from full resolution at the half grid's cells: border-sharp, at an eighth of the cost.
        sources = torch.cat([torch.cat([moving, moving_segments], 1), torch.cat([fixed, fixed_segments], 1)])
        targets = F.avg_pool3d(torch.cat([sources[len(fixed) :], sources[: len(fixed)]]), 2)
        warped = warp(F.avg_pool3d(sources, 3, stride=1, padding=1, count_include_pad=False), displacement)
        dice = soft_dice_loss(warped[:, 1:], targets[:, 1:])
        coarse = soft_dice_loss(F.avg_pool3d(warped[:, 1:], 4), F.avg_pool3d(targets[:, 1:], 4))
        losses = {
            "dice": dice + 0.5 * coarse,
            "similarity": local_ncc_loss(warped[:, :1], targets[:, :1]),
            "smoothness": smoothness_loss(displacement),
        }
        if self.config.losses.folding:
            losses["folding"] = folding_loss(displacement)
        return losses

    def _look(self, losses: dict[str, float]) -> None:
        """Log, measure the held-out cases, keep the state."""
        dice = mean_dice(self.average, self.held_out, self.device) if self.held_out else None
        row = {"step": self.step, "time": round(time.time(), 1), "held_out_dice": dice} | losses
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self._save()

    def _save(self) -> None:
        state = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        state |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            state |= {f"adam.{index}.{key}": value for key, value in moments.items()}
        _write(state | {"step": torch.tensor(self.step)}, self.folder / "state.safetensors")
        _write(dict(self.average.state_dict()), self.folder / "weights.safetensors")

    def _resume(self) -> None:
        state = load_file(str(self.folder / "state.safetensors"))
        self.step = int(state["step"])
        self.network.load_state_dict(_under("network.", state))
        self.average.load_state_dict(_under("average.", state))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("adam.", state).items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    aside = path.with_suffix(".partial")
    save_file({key: value.contiguous() for key, value in tensors.items()}, str(aside))
    aside.replace(path)
