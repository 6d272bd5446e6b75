"""Train the error map's network by quantile regression, then make its bounds hold by split conformal calibration."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...error_map.features import MAPS
from ...networks.error import ErrorNetwork
from .cases import SeenCase

FLOOR = 0.02  # cells: smaller errors are all alike
QUANTILES = (0.5, 0.9)
LEVEL = 0.94  # of the calibration cases: the bound is for engines that are not among them, which keep fewer below
BINS = 10  # deciles of what is expected
LEAST_IN_BIN = 200
CELLS = 2000  # of each case
NOISE = 0.03  # standard deviations of each feature
WITHOUT_FIELD = 0.15  # of the batches
FIELD = ("change of volume", "strain", "bending")


def trained(
    cases: Sequence[SeenCase],
    steps: int = 1200,
    batch: int = 2048,
    rate: float = 3e-3,
    seed: int = 1,
    watched: Sequence[SeenCase] = (),
    say: Callable[[str], None] = print,
    **network_options: Any,
) -> ErrorNetwork:
    """cases: with cells that can be told, each as likely as the others. watched: held-out cases, whose loss is said."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = ErrorNetwork(len(MAPS), **network_options)
    seen, error = (torch.cat(parts) for parts in zip(*(drawn(network, c, generator) for c in cases), strict=True))
    network.train()
    network.shift[:], network.scale[:] = seen.mean(0), 1 / (seen.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    began, sums = time.perf_counter(), []
    for step in range(1, steps + 1):
        chosen = torch.randint(len(seen), (batch,), generator=generator)
        some = seen[chosen]
        if torch.rand((), generator=generator) < WITHOUT_FIELD:
            some = without_field(some)
        some = some + NOISE * torch.randn(some.shape, generator=generator) / network.scale
        loss = pinball(network.judge(some), error[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        plan.step()
        sums.append(loss.item())
        if step % 200 == 0 or step == steps:
            text = f"{step}: {np.mean(sums[-200:]):.4f}, {time.perf_counter() - began:.0f} s"
            say(f"{text}, watched {measured_loss(network.eval(), watched):.4f}" if watched else text)
            network.train()
    return network.eval()


def drawn(network: ErrorNetwork, case: SeenCase, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(CELLS, features with neighbours) and (CELLS,) errors of cells that can be told, some of them twice if few."""
    seen, errors = network.with_neighbours(case.features[None])[0][:, case.told].T, case.error[case.told]
    chosen = torch.randint(len(seen), (CELLS,), generator=generator)
    return seen[chosen], errors[chosen]


def without_field(seen: Tensor) -> Tensor:
    """As where a transform has no deformation, or hides it."""
    seen = seen.clone()
    for name in FIELD:
        seen[:, MAPS.index(name) :: len(MAPS)] = 0
    return seen


def pinball(answer: Tensor, error: Tensor) -> Tensor:
    """Of both quantiles, of logarithms: a half of the error counts as twice it does. (N, 2) and (N,)."""
    target = error.clamp(min=FLOOR).log()
    off = [target - answer[:, k] for k in range(len(QUANTILES))]
    losses = [torch.maximum(q * o, (q - 1) * o).mean() for q, o in zip(QUANTILES, off, strict=True)]
    return torch.stack(losses).sum()


@torch.no_grad()
def told(network: ErrorNetwork, case: SeenCase) -> tuple[np.ndarray, np.ndarray]:
    """(2, N), the median and the raw 90 % quantile, and (N,), the error, of the cells that can be told, in cells."""
    return network(case.features[None])[0].exp()[:, case.told].numpy(), case.error[case.told].numpy()


@torch.no_grad()
def measured_loss(network: ErrorNetwork, cases: Sequence[SeenCase]) -> float:
    losses = [pinball(network(c.features[None])[0][:, c.told].T, c.error[c.told]) for c in cases]
    return float(torch.stack(losses).mean())


def family(engine: str) -> str:
    """Of one engine well and badly set, as its name begins."""
    return engine.split(",")[0]


def calibrated(found: Sequence[tuple[np.ndarray, np.ndarray]], families: Sequence[str]) -> dict[str, list[float]]:
    """By what factor the raw bound must be multiplied so that LEVEL of the errors stay below, for each decile of what
    is expected: {"expected": …, "factor": …}, expected in cells. found: of each held-out case, (2, N) answers and (N,)
    errors; families: of each case's engine, all of which count alike, and the cases within them."""
    expected = np.concatenate([a[0] for a, _ in found])
    score = np.concatenate([e / a[1] for a, e in found])
    pairs = zip(found, families, strict=True)
    weight = np.concatenate([np.full(len(e), 1 / len(e) / list(families).count(f)) for (_, e), f in pairs])
    edges = weighted_quantile(expected, weight, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, expected)
    middles, factors = [], []
    for k in range(BINS):
        own = bins == k
        if own.sum() < LEAST_IN_BIN:
            continue
        middles.append(float(math.exp(np.average(np.log(expected[own]), weights=weight[own]))))
        factors.append(float(weighted_quantile(score[own], weight[own], np.array([LEVEL]))[0]))
    return {"expected": middles, "factor": factors}


def weighted_quantile(values: np.ndarray, weight: np.ndarray, shares: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return values[order][np.minimum(np.searchsorted(total, shares * total[-1]), len(values) - 1)]
