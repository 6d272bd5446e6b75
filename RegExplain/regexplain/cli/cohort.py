from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..progress import Progress
from .verb import model_options, verb

if TYPE_CHECKING:
    from ..cohort.pairs import Pairs
    from ..cohort.settings import Settings


@click.command()
@click.argument("pairs", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="STUDY",
    help="The folder of the study; what is done in it already is not done again.",
)
@click.option(
    "--bids", metavar="SELECTION", help='PAIRS is a BIDS folder: FIXED -> MOVING, such as "T1w ses-1 -> ses-2".'
)
@click.option("--model", default="auto", show_default=True, metavar="auto|none|NAME|FILE", help="As of register.")
@click.option("--refine", type=int, default=0, metavar="STEPS", help="Optimise each pair further.")
@click.option("--explain", is_flag=True, help="Heatmaps of each pair too.")
@click.option("--decompose", is_flag=True, help="Each pair as a list of component motions too.")
@click.option("--trust", is_flag=True, help="The indicators of each pair of two contrasts too.")
@click.option("--workers", type=int, metavar="N", help="Processes here (default: as cores and memory allow).")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler's instead, such as tcp://host:8786.")
@click.option("--memory-per-worker", metavar="SIZE", help='Such as "4GB": a process that takes more is ended.')
@click.option("--dry-run", is_flag=True, help="Only say what cannot be read, and what the rest would take.")
@click.option("--retry-failed", is_flag=True, help="Pairs that failed before, too.")
@click.option("--parquet", is_flag=True, help="The tables as Parquet too.")
@model_options
@verb
def cohort(
    pairs: Path,
    output: Path,
    bids: str | None,
    model: str,
    refine: int,
    explain: bool,
    decompose: bool,
    trust: bool,
    workers: int | None,
    scheduler: str | None,
    memory_per_worker: str | None,
    dry_run: bool,
    retry_failed: bool,
    parquet: bool,
    device: str,
    threads: int | None,
    progress: Progress,
) -> str | None:
    """Register all pairs of a table: PAIRS is a TSV or CSV with the columns fixed and moving."""
    from ..cohort.engine import memory_of
    from ..cohort.run import Workers, pairs_of
    from ..cohort.run import cohort as run
    from ..cohort.settings import Settings

    if model not in ("auto", "none") and os.sep in model:
        model = os.path.abspath(model)  # workers may run in another folder
    settings = Settings(model, refine, explain, decompose, trust, device)
    named = pairs_of(pairs, bids)
    if dry_run:
        _print_plan(named, output, settings, retry_failed)
        return None
    workers_config = Workers(scheduler, workers, memory_of(memory_per_worker), threads)
    plan = run(named, output, settings, workers_config, retry_failed=retry_failed, parquet=parquet, progress=progress)
    for name, (reason, _) in list(plan.failed.items())[:10]:
        progress.warn(f"{name}: {reason}")
    if plan.failed:
        progress.warn(f"{len(plan.failed)} of the pairs failed; {output / 'failed.tsv'} says why each did.")
    return str(output)


def _print_plan(pairs: Pairs, output: Path, settings: Settings, retry_failed: bool) -> None:
    from ..cohort.estimate import Estimate
    from ..cohort.study import Plan, Study

    plan = Plan.of(Study(output), pairs, settings, retry_failed)
    for name, (reason, _) in plan.failed.items():
        print(f"{name}: {reason}")
    print(Estimate.of(plan.voxels, settings).words(len(plan.done), len(plan.failed)))
