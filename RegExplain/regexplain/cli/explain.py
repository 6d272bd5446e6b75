from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import its_model_option, model_options, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="NAME",
    help="Which part of the network (repeat for several; default: all).",
)
@click.option(
    "--region",
    metavar="LABEL|MASK",
    help="A segment of the fixed segmentation, or a mask file (default: all segments).",
)
@click.option(
    "--component",
    type=int,
    metavar="J",
    help="Instead: which voxels of each image make its coordinate along principal component J large.",
)
@its_model_option
@model_options
@verb
def explain(
    result: Path,
    stages: tuple[str, ...],
    region: str | None,
    component: int | None,
    model: str | None,
    device: str,
    threads: int | None,
    progress: Progress,
) -> str:
    """Heatmaps of a finished registration: which voxels made the network move the region."""
    from ..explanation import explain as run
    from ..images import read_segmentation
    from ..results.folder import ResultFolder
    from ..results.registration_result import RegistrationResult

    progress.report("Explaining", 0, 2)
    loaded = RegistrationResult.load(result)
    where = None
    if region is not None:
        where = int(region) if region.isdigit() else read_segmentation(region, loaded.fixed, "region")
    maps = run(loaded, stages, where, component=component, model=model, device=device, threads=threads)
    progress.report("Explaining", 1, 2)
    ResultFolder.open(result).add_heatmaps(maps)
    progress.report("Explaining", 2, 2)
    return str(result)
