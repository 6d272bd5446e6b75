from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import verb


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--of",
    type=click.Choice(["displacement", "log-jacobian", "latent"]),
    default="displacement",
    show_default=True,
    help="What varies: where tissue moves or how its volume changes, of one fixed image; or latent differences.",
)
@click.option("--components", "count", type=int, default=5, show_default=True, metavar="K", help="How many.")
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Test this column of the table, voxel by voxel too (repeat; default: all, components only).",
)
@click.option("--permutations", type=int, default=9999, show_default=True, metavar="N")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the permutations.")
@click.option("--template", is_flag=True, help="The mean image in the mean shape too: the fixed image of a next run.")
@click.option("--memory", metavar="SIZE", help='That fields may take, such as "4GB" (default: 1 GiB).')
@verb
def population(
    study: Path,
    of: str,
    count: int,
    by: tuple[str, ...],
    permutations: int,
    seed: int,
    template: bool,
    memory: str | None,
    progress: Progress,
) -> str:
    """What the pairs of a finished study have in common: named components, scores and tests."""
    from ..cohort.engine import memory_of
    from ..cohort.population import population as run

    allowed = memory_of(memory, "--memory")
    population_result = run(study, of, count, by, permutations, seed, template, allowed, progress)
    progress.close()
    for motion in population_result.motions:
        print(f"{motion.index}. {100 * motion.explained_variance:.0f} % of the variance: {motion.name}")
    for row in population_result.associations:
        value = f"{row['statistic']} {row['value']:.3g}"
        print(f"{row['column']}, component {row['component']}: {value}, p {row['p_corrected']:.2g} (corrected)")
    return str(study / "population")
