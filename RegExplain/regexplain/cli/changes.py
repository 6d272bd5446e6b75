from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, model_options, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--model",
    metavar="NAME",
    help="For two contrasts: the model that draws one from the other (default: the one that made the result).",
)
@model_options
@verb
def changes(result: Path, model: str | None, device: str, threads: int | None, progress: Progress) -> str:
    """What changed between two scans, apart from what moved. No detector of disease."""
    from ..changes import detect_changes
    from ..results.registration_result import RegistrationResult

    progress.report("Comparing", 0, 2)
    found = detect_changes(RegistrationResult.load(result), result, model=model, device=device, threads=threads)
    progress.report("Comparing", 1, 2)
    add_to_result(result, found)
    progress.report("Comparing", 2, 2)
    return str(result)
