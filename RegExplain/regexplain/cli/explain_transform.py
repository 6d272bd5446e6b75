from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .landmarks import landmark_options
from .pair import Pair, pair_options
from .verb import error_option, offered_error_of, verb

FILE = click.Path(path_type=Path)


@click.command("explain-transform")
@click.argument("transform", type=FILE, nargs=-1, required=True)
@click.option("--fixed", type=FILE, required=True, metavar="F", help="The image that was registered to.")
@click.option("--moving", type=FILE, required=True, metavar="M", help="The image that was moved.")
@click.option("--output", type=FILE, required=True, metavar="RESULT", help="The folder to write; complete or absent.")
@pair_options
@landmark_options()
@error_option
@click.option("--overwrite", is_flag=True, help="Replace an earlier result at RESULT.")
@verb
def explain_transform(
    transform: tuple[Path, ...],
    fixed: Path,
    moving: Path,
    output: Path,
    fixed_series: str | None,
    moving_series: str | None,
    fixed_segmentation: Path | None,
    moving_segmentation: Path | None,
    fixed_landmarks: Path | None,
    moving_landmarks: Path | None,
    error: bool,
    overwrite: bool,
    progress: Progress,
) -> str:
    """What a TRANSFORM made elsewhere moves, with arrows, numbers and names. It needs no model.

    It maps fixed-space to moving-space points: a transform file of ITK, ANTs or Slicer (.h5, .tfm, .mat, .txt), of
    elastix (TransformParameters.0.txt), FreeSurfer (.lta) or the MNI tools (linear .xfm), or a displacement field as
    an image (ANTs' Warp.nii.gz, SPM's y_….nii, what transformix -def all writes). Of several, a fixed point goes
    through the first one first, as behind antsApplyTransforms -t; [affine.mat,1] is the inverse of a linear one.
    """
    from ..results.folder import check_writable
    from ..transform_explanation import explain_transform as run
    from ..transforms.files import read_transforms

    check_writable(output, overwrite)
    read = read_transforms(transform)
    pair = Pair(progress)
    images = pair.read(
        {
            "fixed": fixed,
            "moving": moving,
            "fixed_segmentation": fixed_segmentation,
            "moving_segmentation": moving_segmentation,
        },
        {"fixed": fixed_series, "moving": moving_series},
    )
    points = pair.read_landmarks(fixed_landmarks, moving_landmarks, images)
    result = run(read, **images, progress=progress)
    pair.measure(points, result)
    pair.prepend_warnings(result)
    del read  # as large as the images, perhaps, and no longer needed
    result.save(output, overwrite, offered_error_of(result, progress) if error else [])
    return str(output)
