from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .folders import check_packages, folder_options
from .verb import model_options, verb


@click.group()
def reproduce() -> None:
    """Make the figures and tables of a paper anew, from the shipped weights or from others."""


@reproduce.command("latent-space")
@folder_options("With images and labels of the hippocampus task of the Medical Segmentation Decathlon.")
@click.option("--model", default="hippocampus", show_default=True, metavar="MODEL", help="Without skip connections.")
@click.option("--skip-model", default="hippocampus-skip", show_default=True, metavar="MODEL", help="With them.")
@model_options
@verb
def latent_space(
    data: Path, output: Path, model: str, skip_model: str, device: str, threads: int | None, progress: Progress
) -> str:
    """Exploring Deep Registration Latent Spaces (Estienne et al. 2021)."""
    check_packages(torch="torch", sklearn="scikit-learn", matplotlib="matplotlib")
    from ..studies.latent_space.latent_space import latent_space as run

    return str(run(data, output, model, skip_model, device, threads, progress))
