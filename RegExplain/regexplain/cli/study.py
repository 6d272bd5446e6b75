from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .folders import check_packages, folder_options
from .verb import model_options, verb


@click.group()
def study() -> None:
    """Measure what a model's explanations can be believed for."""


@study.command()
@folder_options("With ms_mni, ms_longitudinal and brain_labels; what is absent is left out.")
@click.option("--model", default="brain-t1-flair", show_default=True, metavar="NAME")
@click.option("--pairs", default=14, show_default=True, metavar="N", help="Ordinary pairs, the heads in turn.")
@model_options
@verb
def multimodal(
    data: Path, output: Path, model: str, pairs: int, device: str, threads: int | None, progress: Progress
) -> str:
    """The claims of ExFIRE (arXiv 2308.01994), on T1/FLAIR pairs whose motion is known."""
    check_packages(torch="torch", matplotlib="matplotlib")
    from ..studies.multimodal.study import multimodal as run

    return str(run(data, output, model, pairs, device, threads, progress))


@study.command("second-anatomy")
@folder_options("With images, labels and parameters.csv of made torsos (tools/breathing_torsos.py).")
@click.option("--model", required=True, metavar="MODEL", help="Trained on them, without skip connections.")
@click.option("--skip-model", required=True, metavar="MODEL", help="With them.")
@model_options
@verb
def second_anatomy(
    data: Path, output: Path, model: str, skip_model: str, device: str, threads: int | None, progress: Progress
) -> str:
    """The latent space of made torsos that breathe, as Estienne et al. 2021 report of lungs."""
    check_packages(torch="torch", sklearn="scikit-learn", matplotlib="matplotlib")
    from ..studies.latent_space.second_anatomy import second_anatomy as run

    return str(run(data, output, model, skip_model, device, threads, progress))
