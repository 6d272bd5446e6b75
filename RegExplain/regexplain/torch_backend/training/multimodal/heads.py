"""Pairs of whole heads far from each other, with corresponding points: what the affine part trains on."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from .anatomies import CELL_MM, MIRRORED, STRUCTURES, Anatomy
from .contrasts import Box, acquire, random_acquisition, random_appearance, render, visible
from .fields import bernoulli, smooth_noise, uniform
from .pairs import STRIPPED, centred_cells, random_linear, random_modalities, sample
from .visits import Visit

CELLS = 64  # along each axis
HEADS_MM = 4.0
POINTS = 64  # of the same head, besides the structures' centroids
MAX_TURN_DEG = 35.0
MAX_SHIFT_MM = 35.0
MAX_LOG_ZOOM = 0.15


@dataclass(eq=False)
class HeadPair:
    """fixed, moving: (1, 64, 64, 64) in [0, 1] on cells of 4 mm along L, P, S. Modalities: 0 = T1, 1 = FLAIR.

    fixed_points, moving_points: (P, 3), the same places of the heads, (x, y, z) mm from the grid's middle;
    weight: (P,), 0 where there is no such point or it lies outside one of the grids.
    """

    fixed: Tensor
    moving: Tensor
    fixed_modality: Tensor
    moving_modality: Tensor
    fixed_points: Tensor
    moving_points: Tensor
    weight: Tensor

    def to(self, device) -> HeadPair:
        return HeadPair(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


def stack_head_pairs(pairs: list[HeadPair]) -> HeadPair:
    """The same fields with the batch in front."""
    return HeadPair(**{f.name: torch.stack([getattr(pair, f.name) for pair in pairs]) for f in fields(HeadPair)})


def head_pair(first: Anatomy | Visit, second: Anatomy | Visit, generator: torch.Generator) -> HeadPair:
    """Fixed of the first, moving of the second head, or of the same one twice. Visits only with themselves."""
    modalities = random_modalities(generator)
    mirrored = bernoulli(generator, 0.5)
    poses = [_near_pose(mirrored, generator), _far_pose(mirrored, generator)]
    heads = first, second
    chosen = _random_cells(first, generator) if first is second else torch.full((POINTS, 3), math.nan)
    places = [torch.cat([_places(head, mirrored), chosen]) for head in heads]
    images, points = [], []
    for head, modality, pose, cells in zip(heads, modalities, poses, places, strict=True):
        pose = pose.about(head.centre)
        images.append(_image(head, modality, pose, generator)[None])
        points.append(pose.back(cells))
    inside = [(p.abs() < CELLS * HEADS_MM / 2).all(1) for p in points]  # False for NaN
    weight = (inside[0] & inside[1]).float()
    return HeadPair(
        images[0],
        images[1],
        torch.tensor(modalities[0]),
        torch.tensor(modalities[1]),
        points[0].nan_to_num(),
        points[1].nan_to_num(),
        weight,
    )


@dataclass(eq=False)
class Pose:
    """How a head lies on the grid: point (x, y, z) mm from the middle → cell, matrix · (point + bending) + offset.

    bending (1, 3, d, h, w) mm at 8 mm cells that span the grid.
    """

    matrix: Tensor
    shift_mm: Tensor
    bending: Tensor
    offset: Tensor

    def about(self, centre: Tensor) -> Pose:
        """The pose that lays the cell `centre` at `shift_mm` from the grid's middle, but for bending."""
        return Pose(self.matrix, self.shift_mm, self.bending, centre - self.matrix @ self.shift_mm)

    def cells(self) -> Tensor:
        """(1, 3, D, H, W): the head's cell at each cell of the grid."""
        shape = (CELLS,) * 3
        points = HEADS_MM * centred_cells(shape) + F.interpolate(
            self.bending, size=shape, mode="trilinear", align_corners=False
        )
        return torch.einsum("ij,bjdhw->bidhw", self.matrix, points) + self.offset.view(1, 3, 1, 1, 1)

    def back(self, cells: Tensor) -> Tensor:
        """(P, 3) mm from the grid's middle at which cells (P, 3) of the head lie."""
        straight = torch.linalg.solve(self.matrix, (cells - self.offset).T).T
        points = straight
        for _ in range(20):
            points = straight - self._bending_at(points)
        return points

    def _bending_at(self, points: Tensor) -> Tensor:
        grid = (points * (2 / (CELLS * HEADS_MM))).view(1, -1, 1, 1, 3)
        values = F.grid_sample(self.bending, grid, padding_mode="border", align_corners=False)
        return values[0, :, :, 0, 0].T


def _near_pose(mirrored: bool, generator: torch.Generator) -> Pose:
    """As heads lie about the middle of a scan."""
    linear = random_linear(generator, math.radians(7), 0.07, 0.03)
    return _pose(linear, torch.randn(3, generator=generator) * 10, 3.0, mirrored, generator)


def _far_pose(mirrored: bool, generator: torch.Generator) -> Pose:
    turn = (2 * torch.rand(3, generator=generator) - 1) * math.radians(MAX_TURN_DEG)
    zoom = (2 * torch.rand(3, generator=generator) - 1) * MAX_LOG_ZOOM
    linear = random_linear(generator, 0, 0, 0.03) + torch.diag(zoom)
    x, y, z = turn.tolist()
    linear = linear + torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return _pose(linear, (2 * torch.rand(3, generator=generator) - 1) * MAX_SHIFT_MM, 6.0, mirrored, generator)


def _pose(linear: Tensor, shift_mm: Tensor, most_bent: float, mirrored: bool, generator: torch.Generator) -> Pose:
    matrix = torch.linalg.matrix_exp(linear) / CELL_MM
    if mirrored:
        matrix = torch.diag(torch.tensor([-1.0, 1.0, 1.0])) @ matrix
    bending = smooth_noise(3, (CELLS // 2,) * 3, uniform(generator, 2, 4), generator)
    return Pose(matrix, shift_mm, bending * uniform(generator, 0, most_bent) / math.sqrt(3), torch.zeros(3))


def _places(head: Anatomy | Visit, mirrored: bool) -> Tensor:
    """(L, 3) cells of the structures' centroids; left is what lies left on the grid. NaN where not known."""
    if isinstance(head, Visit):
        return torch.full((len(STRUCTURES), 3), math.nan)
    return head.centroids[MIRRORED] if mirrored else head.centroids


def _random_cells(head: Anatomy | Visit, generator: torch.Generator) -> Tensor:
    cells = head.cells if isinstance(head, Visit) else head.brain
    return cells[torch.randint(len(cells), (POINTS,), generator=generator)].float()


def _image(head: Anatomy | Visit, modality: int, pose: Pose, generator: torch.Generator) -> Tensor:
    """(64, 64, 64): rendered (or taken) at 2 mm, averaged to 4 mm, resampled to the grid and scanned."""
    cells = pose.cells()
    if isinstance(head, Visit):
        stack, stripped = torch.stack([head.volumes[modality], head.head.float()]), False
    else:
        stripped = bernoulli(generator, STRIPPED)
        appearance = random_appearance(modality, head, generator)
        image = render(head, [appearance], _whole(head.first), generator) / appearance.white[stripped]
        stack = torch.cat([image, (head.first > 0)[None].float(), head.depth[None] - 100])
    coarse = F.avg_pool3d(stack[None], 2)[0]
    values = sample(coarse, (cells - 0.5) / 2, _whole(coarse[0]))  # two cells of 2 mm have their middle at 0.5
    acquisition = random_acquisition(generator, stripped).coarser()
    mask = visible(acquisition, values[1] > 0.5, values[-1] + 100)
    return acquire(values[0], acquisition, mask, generator)


def _whole(array: Tensor) -> Box:
    z, y, x = array.shape
    return Box((slice(0, z), slice(0, y), slice(0, x)))
