"""Resampling a map from the canvas to the grid of the image that it explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from ..networks.latent import RegistrationNetwork
from .attribution import StageMap
from .target import Target


@dataclass(frozen=True)
class PlacedTarget:
    """A target (`make` computes it when it is needed), and how its maps are resampled to the grids of the images.

    scalar: its name. stages: those that it explains. modules: paths of the modules whose submodules it explains too.
    network: whose stages they are.
    """

    make: Callable[[], Target]
    place: Callable[[StageMap], sitk.Image]
    scalar: str
    stages: Sequence[str]
    modules: Callable[[], Sequence[str]]
    network: RegistrationNetwork

    def stages_within(self, stages: Sequence[str]) -> list[str]:
        """Those of `stages` that it explains; a module by its stages (see `RegistrationNetwork.stages_of_module`)."""
        return [name for stage in stages for name in ([stage] if stage in self.stages else self._parts(stage))]

    def _parts(self, stage: str) -> list[str]:
        path = stage.partition("-")[0]
        if not any(f"{path}.".startswith(f"{module}.") for module in self.modules()):
            return []
        names = self.network.stages_of_module(path, dict.fromkeys(self.stages, ""))
        return [name for name in names if stage in (path, name)]


def resample_to_image(cells: np.ndarray, canvas: Grid, grid: str, result: RegistrationResult) -> sitk.Image:
    """A map (z, y, x) on the canvas about the fixed image, on the fixed grid or, by the alignment, the moving one."""
    image = canvas.image(cells.astype(np.float32))
    if grid == "fixed":
        return Grid.of(result.fixed).resample(image)
    return Grid.of(result.moving).resample(image, result.transform.alignment.GetInverse())
