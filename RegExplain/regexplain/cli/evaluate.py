from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import model_options, verb


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@model_options
@verb
def evaluate(config: Path, device: str, threads: int | None, progress: Progress) -> None:
    """Register the pairs that CONFIG names with each model, and print Dice, folding and time."""
    from ..evaluation import EvaluationConfig, evaluate, format_table, summarise

    settings = EvaluationConfig.read(config)
    print(format_table(summarise(evaluate(settings, device, threads, progress))))
