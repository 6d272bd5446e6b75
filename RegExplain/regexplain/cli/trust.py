from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, model_options, result_model_option, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--equivariance",
    "copies",
    type=int,
    metavar="COPIES",
    help="Instead, of any model: how far its answers to so many moved copies of the pair, moved back, lie from its "
    "answer; a map in mm (try 4).",
)
@result_model_option
@model_options
@verb
def trust(
    result: Path, copies: int | None, model: str | None, device: str, threads: int | None, progress: Progress
) -> str:
    """Three indicators of a registration of two contrasts, what they warn of, and the verdict of all checks."""
    from ..explanation import equivariance
    from ..explanation import trust as run
    from ..report.verdict import checks, verdict
    from ..results import ResultFolder
    from ..results.registration_result import RegistrationResult

    if copies is not None:
        loaded = RegistrationResult.load(result)
        spread = equivariance(loaded, copies, model=model, device=device, threads=threads, progress=progress)
        add_to_result(result, spread)
        return str(result)
    progress.report("Measuring", 0, 2)
    found = run(RegistrationResult.load(result), model=model, device=device, threads=threads)
    progress.report("Measuring", 1, 2)
    add_to_result(result, found)
    for warning in found.warnings:
        progress.warn(warning)
    progress.report("Measuring", 2, 2)
    progress.note(verdict(checks(ResultFolder.open(result).record)))
    return str(result)
