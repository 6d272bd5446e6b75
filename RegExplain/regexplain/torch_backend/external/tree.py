"""The modules of a foreign network that a heatmap can explain: where they are, how large, and where their cells lie."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from ...cards.external import CELLS
from ...errors import BadInputError
from ..attribution.modules import record_outputs
from .network import ExternalNetwork
from .self_check import synthetic_volume

CORNER = 0.5  # of the way from a cell's first voxel to its middle
SAMPLES = 8
MIN_CELLS = 4  # cells along an axis: with fewer a map says nothing of where
SMALL_CANVAS = 64  # voxels: a canvas on which to see how a network's cells lie


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


def measured_cells(network: ExternalNetwork, path: str, volume: Tensor) -> str:
    """As `cells_of`, on a small canvas where the network takes one, as it takes gradients to see; "centred" where
    nothing tells. volume: of the canvas' size."""
    small = synthetic_volume([min(n, SMALL_CANVAS) for n in volume.shape[2:]]).to(volume.device)
    for trial in (small, volume):
        try:
            return cells_of(network, path, trial, trial)
        except (BadInputError, RuntimeError):
            continue
    return CELLS[0]


def cells_of(network: ExternalNetwork, path: str, fixed: Tensor, moving: Tensor) -> str:
    """ "corners" where the cells of a module begin at the first voxel, as after strided convolutions of odd kernels,
    and "centred" where they span the canvas: told by where the voxels lie that cells in its middle depend on."""
    with torch.enable_grad(), record_outputs(network.root, [path]) as calls:
        volume = fixed.detach().clone().requires_grad_()
        network.field(volume, moving)
        cells = calls[path][-1]
        offsets = []
        for sample in range(SAMPLES):
            index = [n // 2 - (sample >> axis & 1) for axis, n in enumerate(cells.shape[2:])]
            energy = cells[0, :, index[0], index[1], index[2]].square().sum()
            gradient = torch.autograd.grad(energy, volume, retain_graph=True, allow_unused=True)[0]
            if gradient is None or not gradient.abs().sum() > 0:
                continue
            offsets += _offsets(network.convention.to_network(gradient.abs())[0, 0], index, cells.shape[2:])
    corner = bool(offsets) and sum(offsets) / len(offsets) < CORNER
    return "corners" if corner else "centred"


def _offsets(weights: Tensor, index, shape) -> list[float]:
    """Along each axis: where the middle of the voxels lies, from the cell's first voxel (0) to its middle (1)."""
    offsets = []
    for axis, (n, count) in enumerate(zip(weights.shape, shape, strict=True)):
        step = 2 ** round(torch.log2(torch.tensor(n / count)).item())
        if step > 1:
            profile = weights.sum([a for a in range(3) if a != axis])
            middle = float((profile * torch.arange(n)).sum() / profile.sum())
            offsets.append(2 * (middle - index[axis] * step) / (step - 1))
    return offsets
