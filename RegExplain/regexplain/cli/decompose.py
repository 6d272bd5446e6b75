from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, basis_option, model_options, result_model_option, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--count", type=int, default=8, show_default=True, metavar="K", help="How many, the largest first.")
@basis_option
@result_model_option
@model_options
@verb
def decompose(
    result: Path, count: int, basis: str, model: str | None, device: str, threads: int | None, progress: Progress
) -> str:
    """This registration as a list of component motions, and what they leave unexplained."""
    from ..explanation import decompose as run
    from ..results.registration_result import RegistrationResult

    progress.report("Decomposing", 0, 2)
    parts = run(RegistrationResult.load(result), count, basis, model=model, device=device, threads=threads)
    progress.report("Decomposing", 1, 2)
    add_to_result(result, parts)
    progress.report("Decomposing", 2, 2)
    return str(result)
