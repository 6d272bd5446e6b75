"""Random pairs of different subjects."""

from __future__ import annotations

import torch
from torch import Tensor

from ..seeding import seeded_generator
from .augmentation import augment
from .cases import Case
from .config import LatentConfig
from .objective import Pairs


def pair(cases: list[Case], config: LatentConfig, step: int, index: int) -> tuple[Tensor, Tensor]:
    """Volumes (2, 1, D, H, W) and segments (2, L, D, H, W) of fixed, then moving.

    Drawn from seed, step and the pair's place in the batch alone: the same in a resumed run, and in any process.
    """
    generator = seeded_generator(config.seed, step, index)
    chosen = [cases[i] for i in torch.randperm(len(cases), generator=generator)[:2].tolist()]
    volumes, segments = (torch.stack([getattr(case, part) for case in chosen]) for part in ("volume", "segments"))
    return augment(volumes, segments, config.augmentation, generator)


def batch(cases: list[Case], config: LatentConfig, step: int, indices: range) -> Pairs:
    """One pair an index."""
    pairs = [pair(cases, config, step, index) for index in indices]
    volumes, segments = (torch.stack(parts) for parts in zip(*pairs, strict=True))
    return volumes[:, 0], segments[:, 0], volumes[:, 1], segments[:, 1]
