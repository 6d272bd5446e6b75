"""Label maps of no anatomy: smooth random shapes of many sizes (as SynthMorph's, Hoffmann et al. 2022).

Every label has a score in each cell, and the highest score has the cell. Scores are smooth noise for blobs; the
distance from a level of smooth noise for layers that lie in each other; nearness to a line where two noises are 0 for
vessels; depth below a bent ellipsoid for the air about a body and for the layers of its wall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .fields import bernoulli, smooth_noise, uniform
from .pairs import centred_cells

AIR = 0
MAX_LABELS = 40  # air, 11 blobs, 3 × 6 smaller ones, 5 layers, vessels, 3 layers of a wall, and one to spare
FINEST, COARSEST = 2.5, 24.0  # cells
STEEP = 2.0  # how fast one label gives way to the next, a cell


@dataclass(eq=False)
class Shapes:
    """A label map (D, H, W): `first` has share / 8 of a cell, `second` the rest; label 0 is air, if there is any."""

    first: Tensor
    second: Tensor
    share: Tensor

    @property
    def centre(self) -> Tensor:
        """The middle, (x, y, z) cells."""
        return torch.tensor([(n - 1) / 2 for n in reversed(self.first.shape)])


def random_shapes(shape, generator: torch.Generator) -> Shapes:
    """shape: (D, H, W), even."""
    scores = [_blobs(shape, generator)]
    if bernoulli(generator, 0.5):
        scores.append(_layers(_count(generator, 2, 5), shape, generator))
    if bernoulli(generator, 0.4):
        scores.append(_vessels(shape, generator))
    air = bernoulli(generator, 0.55)
    body = _body(shape, generator) if air else torch.full((1, *shape), -math.inf)
    best = _two_best(torch.cat([body[:1], *scores, body[1:]]))
    return Shapes(*best)


def _two_best(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    highest, first = scores.max(0)
    scores.scatter_(0, first[None], -math.inf)
    next_highest, second = scores.max(0)
    share = 8 * (0.5 + STEEP / 2 * (highest - next_highest)).clamp(max=1)
    return first.byte(), second.byte(), share


def _noise(channels: int, shape, cells: float, generator: torch.Generator) -> Tensor:
    """(C, D, H, W), smooth over `cells`, made on half the cells where that is fine enough."""
    if cells < 4:
        return smooth_noise(channels, shape, cells, generator)[0]
    coarse = smooth_noise(channels, [n // 2 for n in shape], cells / 2, generator)
    return torch.nn.functional.interpolate(coarse, size=tuple(shape), mode="trilinear", align_corners=False)[0]


def _count(generator: torch.Generator, least: int, most: int) -> int:
    return int(torch.randint(least, most + 1, (), generator=generator))


def _scale(generator: torch.Generator, low: float = FINEST, high: float = COARSEST) -> float:
    return math.exp(uniform(generator, math.log(low), math.log(high)))


def _blobs(shape, generator: torch.Generator) -> Tensor:
    """Large ones, some of which are cut into smaller ones."""
    cells = _scale(generator, 6.0)
    large = cells * _noise(_count(generator, 3, 11), shape, cells, generator)  # a score falls as fast at every size
    scores = [large]
    for k in range(_count(generator, 0, 3)):
        cells = _scale(generator, FINEST, 7.0)
        scores.append(large[k] + cells * _noise(_count(generator, 2, 6), shape, cells, generator))
    return torch.cat(scores)


def _layers(count: int, shape, generator: torch.Generator) -> Tensor:
    """Nested, within one part of the whole."""
    cells = _scale(generator, 6.0, 14.0)
    level, place = _noise(2, shape, cells, generator)
    thickness = uniform(generator, 1.5, 5.0)
    middles = thickness * (torch.arange(count) - (count - 1) / 2)
    across = cells * level - middles.view(-1, 1, 1, 1)
    within = cells * (place + uniform(generator, -0.8, 0.8))
    return 3 * within.clamp(-20, 20) + thickness - across.abs()


def _vessels(shape, generator: torch.Generator) -> Tensor:
    """One label: tubes along the lines on which two noises are 0."""
    cells = _scale(generator, 6.0, 14.0)
    a, b = _noise(2, shape, cells, generator)
    radius = uniform(generator, 0.8, 3.0)
    return (20 * (radius - cells * torch.hypot(a, b))).clamp(max=200)[None]


def _body(shape, generator: torch.Generator) -> Tensor:
    """Scores of the air about it, then of none to three layers of its wall."""
    z, y, x = shape
    radii = torch.tensor([x, y, z]) * torch.tensor([uniform(generator, 0.28, 0.6) for _ in range(3)])
    middle = torch.tensor([uniform(generator, -0.12, 0.12) * n for n in (x, y, z)])
    points = centred_cells(shape)[0] - middle.view(3, 1, 1, 1)
    bent = _noise(1, shape, _scale(generator, 8.0), generator)[0] * uniform(generator, 0, 4)
    outside = ((points / radii.view(3, 1, 1, 1)).norm(dim=0) - 1) * radii.min() + bent  # about cells from the wall
    scores, depth = [30 * outside], 0.0
    for _ in range(_count(generator, 0, 3)):
        thickness = uniform(generator, 1.0, 5.0)
        scores.append(20 * (thickness / 2 - (outside + depth + thickness / 2).abs()))
        depth += thickness
    # Air's score beats all others outside, and the wall's beat what is inside, where they are positive.
    return torch.stack([torch.where(score > 0, 500 + score, -500 + score) for score in scores])
