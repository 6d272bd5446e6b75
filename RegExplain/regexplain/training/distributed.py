"""One process of how many: torch's own engine, as `torchrun --nproc-per-node N -m regexplain train …` starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from ..errors import BadInputError
from ..inference.model import chosen_device


@dataclass(frozen=True)
class Workers:
    """rank: this process; size: all of them. Each takes every size-th pair of a batch; torch averages the gradients."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that measures, logs and writes."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """The places in a batch of `batch` pairs that this process works on. Raises BadInputError."""
        if batch % self.size:
            raise BadInputError(
                f"A batch of {batch} pairs cannot be shared by {self.size} processes; make it a multiple of them."
            )
        return range(self.rank, batch, self.size)

    def together(self, network: nn.Module) -> nn.Module:
        """`network` with gradients averaged over all processes."""
        return network if self.size == 1 else nn.parallel.DistributedDataParallel(network)

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


ALONE = Workers()


@contextmanager
def workers(device: str) -> Iterator[tuple[Workers, torch.device]]:
    """The processes that torchrun started, or this one alone, and the device of this one."""
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    chosen = chosen_device(device)
    if size == 1:
        yield ALONE, chosen
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Workers(rank, size), chosen
        dist.barrier()  # who leaves while another still talks takes that one down
    finally:
        dist.destroy_process_group()
