from __future__ import annotations

from pathlib import Path

import click

from ..cards.heatmap_names import DEFAULT_METHOD, DEFAULT_SCALAR, METHODS, SCALARS
from ..progress import Progress
from .verb import add_to_result, model_options, result_model_option, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--stage",
    "stages",
    multiple=True,
    metavar="NAME",
    help="Which part of the network (repeat for several; default: all): a stage, or the path of a module inside it.",
)
@click.option(
    "--region",
    metavar="LABEL|MASK",
    help="A segment of the fixed segmentation, or a mask file (default: all segments; without any, all tissue).",
)
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default=DEFAULT_METHOD,
    show_default=True,
    help="How. Integrated gradients and occlusion explain the images themselves, and take longer.",
)
@click.option(
    "--scalar",
    type=click.Choice(SCALARS),
    default=DEFAULT_SCALAR,
    show_default=True,
    help="What: how far the region is displaced, or how far towards one direction of the patient.",
)
@click.option(
    "--component",
    type=int,
    metavar="J",
    help="Instead: which voxels of each image make its coordinate along principal component J large.",
)
@result_model_option
@model_options
@verb
def explain(
    result: Path,
    stages: tuple[str, ...],
    region: str | None,
    method: str,
    scalar: str,
    component: int | None,
    model: str | None,
    device: str,
    threads: int | None,
    progress: Progress,
) -> str:
    """Heatmaps of a finished registration: which voxels made the network move the region."""
    from ..explanation import explain as run
    from ..results.explanations import Heatmaps
    from ..results.registration_result import RegistrationResult
    from ..volumes.images import read_segmentation

    progress.report("Explaining", 0, 2)
    loaded = RegistrationResult.load(result)
    where = None
    if region is not None:
        where = int(region) if region.isdigit() else read_segmentation(region, loaded.fixed, "region")
    maps = run(
        loaded,
        stages,
        where,
        method=method,
        scalar=scalar,
        component=component,
        model=model,
        device=device,
        threads=threads,
        progress=progress,
    )
    progress.report("Explaining", 1, 2)
    add_to_result(result, Heatmaps(maps))
    progress.report("Explaining", 2, 2)
    return str(result)
