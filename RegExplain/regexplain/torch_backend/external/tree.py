"""The modules of a foreign network that a heatmap can explain: where they are, and how large."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from ..attribution.modules import record_outputs
from .network import ExternalNetwork

MIN_CELLS = 4  # cells along an axis: with fewer a map says nothing of where


def modules_of(network: ExternalNetwork, fixed: Tensor, moving: Tensor) -> list[dict[str, Any]]:
    """One row a module whose output is one volume of features: {"module", "channels", "size": [x, y, z]},
    in the order of the network's tree. One pass of the network.
    """
    paths = [path for path, module in network.root.named_modules() if path]
    with torch.no_grad(), record_outputs(network.root, paths) as calls:
        network.field(fixed, moving)
    rows = []
    for path, outputs in calls.items():
        if outputs and all(isinstance(o, Tensor) and o.dim() == 5 and min(o.shape[2:]) > 1 for o in outputs):
            size = list(reversed(outputs[0].shape[2:]))
            rows.append({"module": path, "channels": outputs[0].shape[1], "size": size})
    return rows


def main_stage(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The coarsest module, of these the one of the most channels: what the network knows of the whole, but for those of
    too few cells to say where."""
    candidates = [row for row in rows if min(row["size"]) >= MIN_CELLS] or rows
    return min(candidates, key=lambda row: (prod(row["size"]), -row["channels"]), default=None)
