"""One process of how many: torch's own engine, as `torchrun --nproc-per-node N -m regexplain train …` starts it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from ...errors import BadInputError
from ..inference.model import select_device

Result = TypeVar("Result")


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

    def distribute(self, network: nn.Module) -> nn.Module:
        """`network` with gradients averaged over all processes."""
        return network if self.size == 1 else nn.parallel.DistributedDataParallel(network)

    def wait(self) -> None:
        if self.size > 1:
            dist.barrier()


SINGLE_PROCESS = Workers()


def run_distributed(device: str, work: Callable[[Workers, torch.device], Result]) -> Result:
    """The result of `work` in this process, one of those that torchrun started or the only one, on its device.

    What averages gradients has to be gone before the processes part: its threads end a process that leaves with them.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    chosen = select_device(device)
    if size == 1:
        return work(SINGLE_PROCESS, chosen)
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        result = work(Workers(rank, size), chosen)
        dist.barrier()  # who leaves while another still talks takes that one down
        return result
    finally:
        gc.collect()
        dist.destroy_process_group()
