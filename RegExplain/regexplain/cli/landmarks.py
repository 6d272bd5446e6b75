from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, verb


def landmark_options(required: bool = False) -> Callable[[Callable], Callable]:
    """--fixed-landmarks and --moving-landmarks."""
    words = {
        "fixed": "Points in the fixed image: .mrk.json, .fcsv or .csv of Slicer, .txt of elastix, .vtk.",
        "moving": "Points in the moving image; they belong together by label, else by order.",
    }

    def with_options(function: Callable) -> Callable:
        for role in ("moving", "fixed"):
            kind = click.Path(path_type=Path)
            name = f"--{role}-landmarks"
            function = click.option(name, type=kind, required=required, metavar="FILE", help=words[role])(function)
        return function

    return with_options


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@landmark_options(required=True)
@verb
def landmarks(result: Path, fixed_landmarks: Path, moving_landmarks: Path, progress: Progress) -> str:
    """How far apart landmarks of a finished registration lie: before, after the alignment, after all of it."""
    from ..landmarks.pairs import read_pairs
    from ..results.landmarks import measure_landmarks
    from ..results.registration_result import RegistrationResult

    progress.report("Measuring", 0, 2)
    loaded = RegistrationResult.load(result)
    pairs = read_pairs({"fixed": fixed_landmarks, "moving": moving_landmarks}, loaded.fixed, loaded.moving)
    assert pairs is not None
    progress.report("Measuring", 1, 2)
    distances = measure_landmarks(loaded, pairs, result)
    add_to_result(result, distances)
    for warning in distances.warnings:
        progress.warn(warning)
    progress.report("Measuring", 2, 2)
    return str(result)
