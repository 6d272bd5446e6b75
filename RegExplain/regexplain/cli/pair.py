"""The two images that a verb compares, with their segmentations and landmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..progress import Progress

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..landmarks.pairs import LandmarkPairs
    from ..results.registration_result import RegistrationResult


def pair_options(function: Callable) -> Callable:
    """--fixed-series, --moving-series, --fixed-segmentation and --moving-segmentation."""
    for role, words in (
        ("moving", "One of the moving image; segments belong together by name."),
        ("fixed", "A segmentation of the fixed image: label map or .seg.nrrd."),
    ):
        kind = click.Path(path_type=Path)
        function = click.option(f"--{role}-segmentation", type=kind, metavar="FILE", help=words)(function)
    for role in ("moving", "fixed"):
        words = f"Which volume of the {role} image's DICOM folder, where it holds several (a message lists them)."
        function = click.option(f"--{role}-series", metavar="NUMBER", help=words)(function)
    return function


class Pair:
    """Two images with their segmentations, and what was noticed as they were read."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self.warnings: list[str] = []

    def read(self, files: dict[str, Path | None], series: dict[str, str | None]) -> dict[str, sitk.Image]:
        """As `read_pair` of `volumes/images.py`."""
        from ..volumes.images import read_pair

        return read_pair(files, series, self._warn)

    def read_landmarks(
        self, fixed: Path | None, moving: Path | None, images: dict[str, sitk.Image]
    ) -> LandmarkPairs | None:
        """None without files. images: as `read` gives them."""
        from ..landmarks.pairs import read_pairs

        return read_pairs({"fixed": fixed, "moving": moving}, images["fixed"], images["moving"])

    def measure(self, pairs: LandmarkPairs | None, result: RegistrationResult) -> None:
        """Enter the distances of the landmarks, if any, in a result's record; why they cannot be, as a warning."""
        from ..results.landmarks import enter_landmarks

        for warning in enter_landmarks(result, pairs, self._warn) if pairs is not None else ():
            self._progress.warn(warning)

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self._progress.warn(message)

    def prepend_warnings(self, result: RegistrationResult) -> None:
        """Put what was noticed before the warnings of what was made of the pair."""
        result.record["warnings"] = self.warnings + result.record["warnings"]
