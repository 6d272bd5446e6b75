"""A network of `networks/latent.py`, trained on pairs of different subjects with segmentations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...networks.latent import LatentNetwork
from .batches import batch
from .cases import split
from .config import LatentConfig
from .evaluation import mean_dice, segmentation_dice
from .objective import Pairs, motion_losses, segmentation_loss, weighted_sum


class LatentTask:
    def __init__(self, config: LatentConfig):
        self.config = config
        self.train_cases, self.held_out = split(config)

    def network(self) -> LatentNetwork:
        return LatentNetwork(**self.config.network)

    def objective(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, LatentNetwork)
        return LatentObjective(network, self.config)

    def batch(self, step: int, indices: range) -> Pairs:
        return batch(self.train_cases, self.config, step, indices)

    def validate(self, average: nn.Module, device: torch.device) -> dict[str, float]:
        assert isinstance(average, LatentNetwork)
        if len(self.held_out) < 2:
            return {}
        figures = {"held_out_dice": mean_dice(average, self.held_out, device)} if self.config.losses.registering else {}
        if self.config.losses.read_out:
            figures["held_out_segmentation_dice"] = segmentation_dice(average, self.held_out, device)
        return figures


class LatentObjective(nn.Module):
    def __init__(self, network: LatentNetwork, config: LatentConfig):
        super().__init__()
        self.network, self.config = network, config

    def forward(self, pairs: Pairs) -> dict[str, Tensor]:
        weights, volumes = self.config.losses, torch.cat([pairs[0], pairs[2]])
        grid = [n // self.config.loss_cell for n in volumes.shape[2:]]
        with torch.autocast(volumes.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            features = self.network.encoder(volumes)
            output = self.network.register(features, grid) if weights.registering else None
            logits = self.network.segmentation_logits(features) if weights.read_out else None
        terms = motion_losses(output, pairs, weights) if output else {}
        if weights.read_out:
            terms["read_out"] = segmentation_loss(logits, pairs)
        return terms | {"total": weighted_sum(terms, weights)}
