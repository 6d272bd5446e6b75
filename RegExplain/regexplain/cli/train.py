from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import model_options, verb


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@model_options
@verb
def train(config: Path, device: str, threads: int | None, progress: Progress) -> str:
    """Train a model as CONFIG says; a run that was stopped goes on where it was.

    On several GPUs or processes: torchrun --nproc-per-node N -m regexplain train CONFIG.
    """
    import torch

    from ..torch_backend.training.distributed import Workers, run_distributed
    from ..torch_backend.training.kinds import read_task
    from ..torch_backend.training.trainer import Trainer
    from ..volumes.threads import use_threads

    torch.set_num_threads(use_threads(threads))
    task, packaged = read_task(config)

    def trained(workers: Workers, own_device: torch.device) -> str:
        trainer = Trainer(task, progress if workers.first else Progress(), own_device, workers)
        trainer.run()
        return str(packaged(trainer)) if workers.first else ""

    return run_distributed(device, trained)
