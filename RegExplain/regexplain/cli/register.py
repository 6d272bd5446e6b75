from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .landmarks import landmark_options
from .pair import Pair, pair_options
from .verb import error_option, model_options, offered_error_of, verb


@click.command()
@click.argument("fixed", type=click.Path(path_type=Path))
@click.argument("moving", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="RESULT",
    help="The folder to write; complete or absent.",
)
@click.option(
    "--model",
    default="auto",
    show_default=True,
    metavar="auto|none|NAME|FILE",
    help="auto: the installed model that fits the images, else affine only; none: affine only.",
)
@pair_options
@click.option(
    "--fixed-mask",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A label map: what is 0 in it counts for nothing in the fixed image.",
)
@click.option("--moving-mask", type=click.Path(path_type=Path), metavar="FILE", help="The same of the moving image.")
@landmark_options()
@click.option(
    "--initial-transform",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Linear, fixed-space to moving-space points, any file explain-transform reads; replaces the alignment.",
)
@click.option(
    "--refine",
    type=int,
    default=0,
    metavar="STEPS",
    help="Optimise this pair further after the network's answer (try 25).",
)
@click.option(
    "--use-landmarks",
    is_flag=True,
    help="Let the landmarks pull on the refinement; each is also measured where it was not used.",
)
@error_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier result at RESULT.")
@model_options
@verb
def register(
    fixed: Path,
    moving: Path,
    output: Path,
    model: str,
    fixed_series: str | None,
    moving_series: str | None,
    fixed_segmentation: Path | None,
    moving_segmentation: Path | None,
    fixed_mask: Path | None,
    moving_mask: Path | None,
    fixed_landmarks: Path | None,
    moving_landmarks: Path | None,
    initial_transform: Path | None,
    refine: int,
    use_landmarks: bool,
    error: bool,
    overwrite: bool,
    device: str,
    threads: int | None,
    progress: Progress,
) -> str:
    """Register MOVING to FIXED (any image file, or a folder of DICOM)."""
    from ..errors import BadInputError
    from ..registration import register as run
    from ..results.folder import check_writable
    from ..transforms.files import read_any_transform

    check_writable(output, overwrite)
    pair = Pair(progress)
    images = pair.read(
        {
            "fixed": fixed,
            "moving": moving,
            "fixed_segmentation": fixed_segmentation,
            "moving_segmentation": moving_segmentation,
            "fixed_mask": fixed_mask,
            "moving_mask": moving_mask,
        },
        {"fixed": fixed_series, "moving": moving_series},
    )
    points = pair.read_landmarks(fixed_landmarks, moving_landmarks, images)
    if use_landmarks and points is None:
        raise BadInputError("There are no landmarks to use; give --fixed-landmarks and --moving-landmarks too.")
    result = run(
        **images,
        model=model,
        initial_transform=read_any_transform(initial_transform) if initial_transform else None,
        refine=refine,
        landmarks=points if use_landmarks else None,
        device=device,
        threads=threads,
        progress=progress,
    )
    if not use_landmarks:
        pair.measure(points, result)
    pair.prepend_warnings(result)
    parts = offered_error_of(result, progress, threads=threads) if error else []
    result.save(output, overwrite, parts)
    return str(output)
