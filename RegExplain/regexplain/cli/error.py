from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, expected_error_of, model_options, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@model_options
@verb
def error(result: Path, device: str, threads: int | None, progress: Progress) -> str:
    """How many mm a finished registration is expected to be wrong, place by place, whatever made it."""
    from ..results.registration_result import RegistrationResult

    loaded = RegistrationResult.load(result)
    add_to_result(result, expected_error_of(loaded, progress, device=device, threads=threads))
    return str(result)
