"""Where a training run's random numbers come from."""

import torch


def generator(seed: int, step: int, index: int) -> torch.Generator:
    """Of one item, by the run's seed, its step and its place in the batch alone: the same in a resumed run, and
    wherever it is made."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 1_009 + index)
