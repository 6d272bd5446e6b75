"""From a map on the canvas to the grid of the image that it explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..geometry import Grid
from ..results.registration_result import RegistrationResult
from .attribution import StageMap
from .question import Question


@dataclass(frozen=True)
class Asked:
    """A question, how its maps are placed on the images' grids, the name of its scalar, and which stages it is for."""

    question: Question
    place: Callable[[StageMap], sitk.Image]
    scalar: str
    stages: Sequence[str]


def in_place(cells: np.ndarray, canvas: Grid, grid: str, result: RegistrationResult) -> sitk.Image:
    """A map (z, y, x) on the canvas about the fixed image, on the fixed grid or, by the alignment, the moving one."""
    image = canvas.image(cells.astype(np.float32))
    if grid == "fixed":
        return Grid.of(result.fixed).sample(image)
    return Grid.of(result.moving).sample(image, result.transform.alignment.GetInverse())
