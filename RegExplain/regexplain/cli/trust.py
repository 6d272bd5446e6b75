from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, model_options, result_model_option, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@result_model_option
@model_options
@verb
def trust(result: Path, model: str | None, device: str, threads: int | None, progress: Progress) -> str:
    """Three indicators of a finished registration of two contrasts, and what they warn of."""
    from ..explanation import trust as run
    from ..results.registration_result import RegistrationResult

    progress.report("Measuring", 0, 2)
    found = run(RegistrationResult.load(result), model=model, device=device, threads=threads)
    progress.report("Measuring", 1, 2)
    add_to_result(result, found)
    for warning in found.warnings:
        progress.warn(warning)
    progress.report("Measuring", 2, 2)
    return str(result)
