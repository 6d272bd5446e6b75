"""The two images that a verb compares, and their segmentations."""

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


def series_options(function: Callable) -> Callable:
    """--fixed-series and --moving-series, of a verb that reads two images."""
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
