"""The gradients of one batch by two processes, as torchrun starts them, written by the first: CONFIG FILE.

They are forked once torch is loaded, where there is a fork: that, and what the first optimiser loads, takes longer than
all else here.
"""

import os
import socket
import sys

import torch
import torch.multiprocessing
from safetensors.torch import save_file

from regexplain.progress import Progress
from regexplain.torch_backend.training.distributed import Workers, run_distributed
from regexplain.torch_backend.training.latent.config import LatentConfig
from regexplain.torch_backend.training.latent.task import LatentTask
from regexplain.torch_backend.training.trainer import Trainer

PROCESSES = 2


def gradients(config: str, device: torch.device | str = "cpu", workers: Workers | None = None):
    """By parameter name."""
    torch.set_num_threads(1)
    task = LatentTask(LatentConfig.read(config))
    trainer = Trainer(task, Progress(), device, workers or Workers())
    trainer.backward(task.batch(0, trainer.share))
    return {name: value.grad for name, value in trainer.network.named_parameters()}


def run(rank: int, config: str, file: str) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(PROCESSES))

    def write(own: Workers, device: torch.device) -> None:
        found = gradients(config, device, own)
        if own.first:
            save_file(found, file)

    run_distributed("cpu", write)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()))
    torch.optim.Adam([torch.zeros(1)])
    start = "fork" if hasattr(os, "fork") else "spawn"
    torch.multiprocessing.start_processes(run, tuple(sys.argv[1:]), PROCESSES, start_method=start)
