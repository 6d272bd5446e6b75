"""Where the cells of a foreign network's module lie on the canvas."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from ...cards.external import CELLS
from ...errors import BadInputError
from ..attribution.modules import record_outputs
from .convention import Convention
from .synthetic_volume import synthetic_volume

CORNER = 0.5  # of the way from a cell's first voxel to its middle
SAMPLES = 8
SMALL_CANVAS = 64  # voxels: a canvas on which to see how a network's cells lie


class Network(Protocol):
    """An `ExternalNetwork`, which asks this file where the cells of its modules lie."""

    convention: Convention

    @property
    def root(self) -> nn.Module: ...

    def field(self, fixed: Tensor, moving: Tensor) -> Tensor: ...


def measured_cells(network: Network, path: str, volume: Tensor) -> str:
    """As `cells_of`, on a small canvas where the network takes one, as it takes gradients to see; "centred" where
    nothing tells. volume: of the canvas' size."""
    small = synthetic_volume([min(n, SMALL_CANVAS) for n in volume.shape[2:]]).to(volume.device)
    for trial in (small, volume):
        try:
            return cells_of(network, path, trial, trial)
        except (BadInputError, RuntimeError):
            continue
    return CELLS[0]


def cells_of(network: Network, path: str, fixed: Tensor, moving: Tensor) -> str:
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
