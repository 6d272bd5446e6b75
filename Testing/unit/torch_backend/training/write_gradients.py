"""The gradients of one batch, written by the first of however many processes: CONFIG FILE."""

import sys

import torch
from safetensors.torch import save_file

from regexplain.progress import Progress
from regexplain.torch_backend.training.distributed import Workers, run_distributed
from regexplain.torch_backend.training.latent.config import LatentConfig
from regexplain.torch_backend.training.latent.task import LatentTask
from regexplain.torch_backend.training.trainer import Trainer

torch.set_num_threads(1)
task = LatentTask(LatentConfig.read(sys.argv[1]))


def write(own: Workers, device: torch.device) -> None:
    trainer = Trainer(task, Progress(), device, own)
    trainer.backward(task.batch(0, trainer.share))
    if own.first:
        save_file({name: value.grad for name, value in trainer.network.named_parameters()}, sys.argv[2])


run_distributed("cpu", write)
