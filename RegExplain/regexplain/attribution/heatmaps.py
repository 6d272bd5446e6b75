"""Heatmaps of a finished registration, on the grids of the images they explain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
import torch

from ..errors import BadInputError
from ..geometry import Grid
from ..inference.model import Model
from ..results.explanations import Heatmap
from ..results.registration_result import RegistrationResult
from .grad_cam import grad_cam

STAGES = {"encoder-fixed": "fixed", "encoder-moving": "moving", "decoder": "fixed"}  # stage → the image it explains


def heatmaps(
    model: Model,
    result: RegistrationResult,
    stages: Sequence[str],
    region: sitk.Image,
    region_words: str,
    region_label: int | None,
) -> list[Heatmap]:
    """One a stage. `region`: mask (> 0) on the fixed grid."""
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown:
        raise BadInputError(f"There is no stage {unknown[0]!r}; the model {model.card.name} has {', '.join(STAGES)}.")
    canvas = model.canvas(result.fixed)
    weights = torch.from_numpy(sitk.GetArrayFromImage(canvas.sample(sitk.Cast(region > 0, sitk.sitkFloat32)))).to(
        model.device
    )
    if float(weights.sum()) == 0:
        raise BadInputError(
            "The region lies outside the part of the fixed image that the model sees; choose another region."
        )
    alignment = result.transform.alignment
    maps = grad_cam(
        model.network,
        model.volume(result.fixed, canvas),
        model.volume(result.moving, canvas, alignment),
        weights,
        canvas.spacing,
        list(stages),
    )
    return [
        Heatmap(
            stage,
            STAGES[stage],
            in_place(cells.cpu().numpy(), canvas, STAGES[stage], result),
            region_words,
            region_label,
        )
        for stage, cells in maps.items()
    ]


def in_place(cells: np.ndarray, canvas: Grid, grid: str, result: RegistrationResult) -> sitk.Image:
    """A canvas map on the fixed grid, or through the alignment on the moving one."""
    image = canvas.image(cells.astype(np.float32))
    if grid == "fixed":
        return Grid.of(result.fixed).sample(image)
    return Grid.of(result.moving).sample(image, result.transform.alignment.GetInverse())
