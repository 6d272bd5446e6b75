"""Weights made random layer by layer from the output on (Adebayo et al. 2018): a map that stays as it was does not come
from what the network has learnt."""

from __future__ import annotations

from copy import deepcopy

import torch

from ...torch_backend.networks.fire import FireNetwork
from ..charts import stepwise
from ..sections import Row, Section
from .observations import METHODS, STAGES, indicators, map_correlations, observe
from .run import Run, estimate

CASCADE = {  # what is made random, beside all before it
    "T's answer": ("transformation.part",),
    "T's blocks": ("transformation.refine",),
    "T's inputs": ("transformation.meet", "transformation.up"),
    "G upwards": ("encoder.join", "encoder.up"),
    "G downwards": ("encoder.refine", "encoder.down"),
    "F and D": ("synthesis", "discriminators"),
}
*_, LAST_OF_G, LAST = CASCADE
TEXT = (
    "Each layer's weights are drawn anew from a normal distribution of its own mean and spread, from the output to the "
    "input, each step keeping what was made random before. Kept is the correlation of a map with that of the trained "
    "network in the tissue, mean over G's two streams and T's two directions: it has to go to 0."
)


def randomised(run: Run) -> tuple[list[Row], Section]:
    """A row a pair and step: every indicator, and how far the maps are still those of the trained network."""
    rows: list[Row] = []
    for seed, pair in enumerate(run.each("Random weights, layer by layer", run.subset)):
        before = observe(run.network, pair)
        network = run.network
        for step, paths in CASCADE.items():
            network = randomise_weights(network, paths, seed)
            found = observe(network, pair)
            changes = {f"{key} {s}": v for s in STAGES for key, v in map_correlations(before, found, pair, [s]).items()}
            named = {"pair": pair.name, "step": step}
            rows.append(named | indicators(network, pair, found) | map_correlations(before, found, pair) | changes)
    run.write_table("random-weights", rows)
    return rows, section(run, rows)


def section(run: Run, rows: list[Row]) -> Section:
    table: list[Row] = []
    panels: dict[str, dict] = {}
    for method in METHODS:
        for stage in STAGES:
            found = [estimate(rows, f"kept_{method} {stage}", step=step) for step in CASCADE]
            panels.setdefault(stage, {})[method] = (range(1, len(found) + 1), found)
            for step, one in zip(CASCADE, found, strict=True):
                table.append({"method": method, "stage": stage, "random_up_to": step, **one.columns("kept")})
    figure = stepwise(panels, "steps of the cascade", "kept (correlation)")
    return Section(
        "Random weights, layer by layer",
        TEXT,
        {run.save_figure("random-weights", figure): f"Kept after each of: {', '.join(CASCADE)}."},
        {run.write_table("random-weights-summary", table): "Kept, mean over the pairs with its 95 % interval."},
    )


@torch.no_grad()
def randomise_weights(network: FireNetwork, paths: tuple[str, ...], seed: int) -> FireNetwork:
    randomised_copy, generator = deepcopy(network), torch.Generator().manual_seed(seed)
    for path in paths:
        for weight in randomised_copy.get_submodule(path).parameters():
            noise = torch.randn(weight.shape, generator=generator).to(weight)
            weight.copy_(weight.mean() + weight.std(unbiased=False) * noise)
    return randomised_copy
