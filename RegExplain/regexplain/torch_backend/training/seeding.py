"""The random generators of a training run."""

import torch


def seeded_generator(seed: int, step: int, index: int) -> torch.Generator:
    """Of one item, from the seed of the run, its step and its place in the batch alone: the same in a resumed run, and
    in any process."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 1_009 + index)
