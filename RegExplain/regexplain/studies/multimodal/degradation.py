"""Inputs and networks made worse step by step, and how the error and every indicator change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...torch_backend.networks.fire import FireNetwork
from ...torch_backend.training.multimodal.fields import smooth
from ..sections import Row
from .observations import indicators, map_correlations, observe
from .pairs import Pair
from .run import Run

INTACT = "intact"
UNITS = {"noise": "of the brightest", "blur": "mm", "slab": "mm missing", "weights": "of each layer's spread"}
STEPS = {
    "noise": (0.02, 0.05, 0.1, 0.2),
    "blur": (2.0, 4.0, 8.0),
    "slab": (10.0, 20.0, 40.0),
    "weights": (0.05, 0.1, 0.2),
}


@dataclass(frozen=True)
class Step:
    """One way of making the moving image, or the network's weights, worse. number: 0 for intact, then 1, 2, …"""

    kind: str
    number: int
    strength: float

    def image(self, pair: Pair, seed: int) -> Pair:
        degrade = DEGRADED.get(self.kind)
        return replace(pair, moving=degrade(pair, self.strength, seed)) if degrade else pair

    def network(self, network: FireNetwork, seed: int) -> FireNetwork:
        return noisy_weights(network, self.strength, seed) if self.kind == "weights" else network


def steps() -> list[Step]:
    """The intact pair, then every kind from weak to strong."""
    worse = [Step(kind, n, strength) for kind, values in STEPS.items() for n, strength in enumerate(values, start=1)]
    return [Step(INTACT, 0, 0.0), *worse]


def degraded(run: Run) -> list[Row]:
    """A row a pair and step, the intact one among them; kept_METHOD: how far the maps stay what they were."""
    rows = list(_rows(run))
    run.write_table("degraded", rows)
    return rows


def _rows(run: Run) -> Iterator[Row]:
    tasks = [(n, pair, step) for n, pair in enumerate(run.subset) for step in steps()]
    for seed, pair, step in run.each("Making pairs and weights worse", tasks):
        network, worse = step.network(run.network, seed), step.image(pair, seed)
        observation = observe(network, worse)
        if step.kind == INTACT:
            before = observation
        names = {"pair": pair.name, "kind": step.kind, "step": step.number, "strength": step.strength}
        yield names | indicators(network, worse, observation) | map_correlations(before, observation, pair)


def noisy(pair: Pair, sd: float, seed: int) -> Tensor:
    noise = torch.randn(pair.moving.shape, generator=torch.Generator().manual_seed(seed)).to(pair.moving)
    return (pair.moving + sd * noise).clamp(0, 1)


def blurred(pair: Pair, sd_mm: float, seed: int = 0) -> Tensor:
    return blur(pair.moving, sd_mm, pair.spacing)


def blur(image: Tensor, sd_mm: float, spacing) -> Tensor:
    return smooth(image.cpu(), sd_mm / (sum(spacing) / 3)).to(image)


def without_slab(pair: Pair, thickness_mm: float, seed: int = 0) -> Tensor:
    """Slices at the middle of the tissue are black."""
    heights = pair.inside.sum((1, 2))
    middle = int((heights.cumsum(0) < heights.sum() / 2).sum())
    half = thickness_mm / pair.spacing[2] / 2
    image = pair.moving.clone()
    image[:, :, max(0, round(middle - half)) : round(middle + half)] = 0
    return image


@torch.no_grad()
def noisy_weights(network: FireNetwork, share: float, seed: int) -> FireNetwork:
    """A copy with normal noise in G's and T's parameters, `share` of the standard deviation of each tensor."""
    noisy_copy, generator = deepcopy(network), torch.Generator().manual_seed(seed)
    for part in (noisy_copy.encoder, noisy_copy.transformation):
        for weight in part.parameters():
            noise = torch.randn(weight.shape, generator=generator).to(weight)
            weight.add_(share * weight.std(unbiased=False) * noise)
    return noisy_copy


DEGRADED: dict[str, Callable[[Pair, float, int], Tensor]] = {"noise": noisy, "blur": blurred, "slab": without_slab}
