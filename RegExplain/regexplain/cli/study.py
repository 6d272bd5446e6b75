from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import RegExplainError
from ..progress import Progress
from .verb import model_options, verb

PACKAGES = ("torch", "matplotlib")


@click.group()
def study() -> None:
    """Measure what a model's explanations can be believed for."""


@study.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="With ms_mni, ms_longitudinal and brain_labels; what is absent is left out.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FOLDER",
    help="The folder to write; complete or absent.",
)
@click.option("--model", default="brain-t1-flair", show_default=True, metavar="NAME")
@click.option("--pairs", default=21, show_default=True, metavar="N", help="Ordinary pairs, the heads in turn.")
@model_options
@verb
def multimodal(
    data: Path, output: Path, model: str, pairs: int, device: str, threads: int | None, progress: Progress
) -> str:
    """The claims of ExFIRE (arXiv 2308.01994), on T1/FLAIR pairs whose motion is known."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise RegExplainError(
            f"Studies need {' and '.join(missing)}, not installed here: pip install 'regexplain[torch,study]'."
        )
    from ..studies.multimodal import multimodal as run

    return str(run(data, output, model, pairs, device, threads, progress))
