from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import RegExplainError
from ..progress import Progress
from .verb import model_options, verb

PACKAGES = {"torch": "torch", "sklearn": "scikit-learn", "matplotlib": "matplotlib"}


@click.group()
def reproduce() -> None:
    """Make the figures and tables of a paper anew, from the shipped weights."""


@reproduce.command("latent-space")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="With images and labels of the hippocampus task of the Medical Segmentation Decathlon.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="The folder to write; complete or absent.",
)
@model_options
@verb
def latent_space(data: Path, output: Path, device: str, threads: int | None, progress: Progress) -> str:
    """Exploring Deep Registration Latent Spaces (Estienne et al. 2021)."""
    missing = [name for module, name in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise RegExplainError(
            f"Studies need {' and '.join(missing)}, not installed here: pip install 'regexplain[torch,study]'."
        )
    from ..reproduction.latent_space import latent_space as run

    return str(run(data, output, device, threads, progress))
