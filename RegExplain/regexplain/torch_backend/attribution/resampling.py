"""From a map on the canvas to the grid of the image that it explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from .attribution import StageMap
from .modules import parts
from .target import Question


@dataclass(frozen=True)
class Asked:
    """A question (`ask` makes it, once it is needed), how its maps are placed on the images' grids, the name of its
    scalar, which stages it is for, and the paths of the modules within which it is for others."""

    ask: Callable[[], Question]
    place: Callable[[StageMap], sitk.Image]
    scalar: str
    stages: Sequence[str]
    modules: Callable[[], Sequence[str]]

    def wanted(self, stages: Sequence[str]) -> list[str]:
        """Those of `stages` that it is for; a module by its parts (see `modules.parts`)."""
        return [name for stage in stages for name in ([stage] if stage in self.stages else self._parts(stage))]

    def _parts(self, stage: str) -> list[str]:
        path = stage.partition("-")[0]
        if not any(f"{path}.".startswith(f"{module}.") for module in self.modules()):
            return []
        return [name for name in parts(path, dict.fromkeys(self.stages, "")) if stage in (path, name)]


def in_place(cells: np.ndarray, canvas: Grid, grid: str, result: RegistrationResult) -> sitk.Image:
    """A map (z, y, x) on the canvas about the fixed image, on the fixed grid or, by the alignment, the moving one."""
    image = canvas.image(cells.astype(np.float32))
    if grid == "fixed":
        return Grid.of(result.fixed).sample(image)
    return Grid.of(result.moving).sample(image, result.transform.alignment.GetInverse())
