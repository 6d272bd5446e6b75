from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, basis_option, model_options, result_model_option, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--count", type=int, default=4, show_default=True, metavar="K", help="How many, the strongest first.")
@click.option(
    "--strength",
    "strengths",
    type=float,
    multiple=True,
    metavar="L",
    help="Standard deviations (repeat for several; default: -2 … 2 by 0.5).",
)
@basis_option
@result_model_option
@model_options
@verb
def components(
    result: Path,
    count: int,
    strengths: tuple[float, ...],
    basis: str,
    model: str | None,
    device: str,
    threads: int | None,
    progress: Progress,
) -> str:
    """What the latent components do to this pair: a displacement for each component and strength."""
    from ..explanation import DEFAULT_STRENGTHS
    from ..explanation import components as run
    from ..results.explanations import ComponentMotions
    from ..results.registration_result import RegistrationResult

    progress.report("Decomposing", 0, 2)
    motions = run(
        RegistrationResult.load(result),
        count,
        strengths or DEFAULT_STRENGTHS,
        basis,
        model=model,
        device=device,
        threads=threads,
    )
    progress.report("Decomposing", 1, 2)
    add_to_result(result, ComponentMotions(motions))
    progress.report("Decomposing", 2, 2)
    return str(result)
