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
from .cases import FeatureCase

MIN_ERROR = 0.02  # cells: smaller errors are all alike
QUANTILES = (0.5, 0.9)
LEVEL = 0.94  # of the calibration cases: the bound is for engines that are not among them, which keep fewer below
BINS = 10  # deciles of what is expected
MIN_BIN_COUNT = 200
CELLS_PER_CASE = 2000
NOISE = 0.03  # standard deviations of each feature
FIELD_DROPOUT = 0.15  # of the batches
FIELD = ("change of volume", "strain", "bending")


def train_network(
    cases: Sequence[FeatureCase],
    steps: int = 1200,
    batch: int = 2048,
    rate: float = 3e-3,
    seed: int = 1,
    validation: Sequence[FeatureCase] = (),
    log: Callable[[str], None] = print,
    **network_options: Any,
) -> ErrorNetwork:
    """cases: each as likely as the others. validation: held-out cases, whose loss is logged."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = ErrorNetwork(len(MAPS), **network_options)
    features, error = (
        torch.cat(parts) for parts in zip(*(sample_cells(network, c, generator) for c in cases), strict=True)
    )
    network.train()
    network.shift[:], network.scale[:] = features.mean(0), 1 / (features.std(0) + 1e-3)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=1e-2)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    began, sums = time.perf_counter(), []
    for step in range(1, steps + 1):
        chosen = torch.randint(len(features), (batch,), generator=generator)
        some = features[chosen]
        if torch.rand((), generator=generator) < FIELD_DROPOUT:
            some = without_field(some)
        some = some + NOISE * torch.randn(some.shape, generator=generator) / network.scale
        loss = pinball_loss(network.predict_cells(some), error[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scheduler.step()
        sums.append(loss.item())
        if step % 200 == 0 or step == steps:
            text = f"{step}: {np.mean(sums[-200:]):.4f}, {time.perf_counter() - began:.0f} s"
            log(f"{text}, validation {mean_loss(network.eval(), validation):.4f}" if validation else text)
            network.train()
    return network.eval()


def sample_cells(network: ErrorNetwork, case: FeatureCase, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(CELLS_PER_CASE, features with neighbours) and (CELLS_PER_CASE,) errors, drawn with replacement."""
    features, errors = network.with_neighbours(case.features[None])[0][:, case.mask].T, case.error[case.mask]
    chosen = torch.randint(len(features), (CELLS_PER_CASE,), generator=generator)
    return features[chosen], errors[chosen]


def without_field(features: Tensor) -> Tensor:
    """As where a transform has no deformation, or hides it."""
    features = features.clone()
    for name in FIELD:
        features[:, MAPS.index(name) :: len(MAPS)] = 0
    return features


def pinball_loss(prediction: Tensor, error: Tensor) -> Tensor:
    """Of both quantiles, of logarithms: a half of the error counts as twice it does. (N, 2) and (N,)."""
    target = error.clamp(min=MIN_ERROR).log()
    off = [target - prediction[:, k] for k in range(len(QUANTILES))]
    losses = [torch.maximum(q * o, (q - 1) * o).mean() for q, o in zip(QUANTILES, off, strict=True)]
    return torch.stack(losses).sum()


@torch.no_grad()
def predict(network: ErrorNetwork, case: FeatureCase) -> tuple[np.ndarray, np.ndarray]:
    """(2, N), the median and the raw 90 % quantile, and (N,), the error, of the cells in the mask, in cells."""
    return network(case.features[None])[0].exp()[:, case.mask].numpy(), case.error[case.mask].numpy()


@torch.no_grad()
def mean_loss(network: ErrorNetwork, cases: Sequence[FeatureCase]) -> float:
    losses = [pinball_loss(network(c.features[None])[0][:, c.mask].T, c.error[c.mask]) for c in cases]
    return float(torch.stack(losses).mean())


def family(engine: str) -> str:
    """Of one engine well and badly set, as its name begins."""
    return engine.split(",")[0]


def calibrate_bound(
    predictions: Sequence[tuple[np.ndarray, np.ndarray]], families: Sequence[str]
) -> dict[str, list[float]]:
    """By what factor the raw bound must be multiplied so that LEVEL of the errors stay below, for each decile of what
    is expected: {"expected": …, "factor": …}, expected in cells. predictions: of each held-out case, (2, N) quantiles
    and (N,) errors; families: of each case's engine, all of which count alike, and the cases within them."""
    expected = np.concatenate([a[0] for a, _ in predictions])
    score = np.concatenate([e / a[1] for a, e in predictions])
    pairs = zip(predictions, families, strict=True)
    weight = np.concatenate([np.full(len(e), 1 / len(e) / list(families).count(f)) for (_, e), f in pairs])
    edges = weighted_quantile(expected, weight, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, expected)
    middles, factors = [], []
    for k in range(BINS):
        own = bins == k
        if own.sum() < MIN_BIN_COUNT:
            continue
        middles.append(float(math.exp(np.average(np.log(expected[own]), weights=weight[own]))))
        factors.append(float(weighted_quantile(score[own], weight[own], np.array([LEVEL]))[0]))
    return {"expected": middles, "factor": factors}


def weighted_quantile(values: np.ndarray, weight: np.ndarray, shares: np.ndarray) -> np.ndarray:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return values[order][np.minimum(np.searchsorted(total, shares * total[-1]), len(values) - 1)]
