"""Heatmaps of a finished registration, on the grids of the images they explain."""

from __future__ import annotations

from collections.abc import Sequence

import SimpleITK as sitk
import torch

from ...cards.heatmap_names import DEFAULT_METHOD, DEFAULT_SCALAR
from ...cards.stages import describe_stage
from ...errors import BadInputError
from ...progress import Progress
from ...results.explanations import Heatmap
from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from ..inference.model import Model
from ..networks.fire import FireNetwork
from .attribution import IMAGES, ImageAttribution, StageMap
from .fire_targets import FirePair
from .methods import attribution_method
from .modules import unknown_stage
from .resampling import PlacedTarget, resample_to_image
from .target import motion_target


def heatmaps(
    model: Model,
    result: RegistrationResult,
    stages: Sequence[str],
    region: sitk.Image,
    region_words: str,
    region_label: int | None,
    method: str = DEFAULT_METHOD,
    scalar: str = DEFAULT_SCALAR,
    progress: Progress | None = None,
) -> list[Heatmap]:
    """One a stage, all that the method has by default. `region`: mask (> 0) on the fixed grid."""
    canvas = model.canvas(result.fixed, result.moving, result.transform.alignment)
    weights = torch.from_numpy(sitk.GetArrayFromImage(canvas.resample(sitk.Cast(region > 0, sitk.sitkFloat32)))).to(
        model.device
    )
    if float(weights.sum()) == 0:
        raise BadInputError(
            "The region lies outside the part of the fixed image that the model sees; choose another region."
        )
    placed, attribution = targets(model, result, canvas, weights, scalar), attribution_method(method)
    if isinstance(attribution, ImageAttribution):
        placed, plan = placed[:1], [list(stages) or list(IMAGES)]
    else:
        plan = assign_stages(placed, stages)
    placed_maps = []
    for number, (target, chosen) in enumerate(
        (target, chosen) for target, chosen in zip(placed, plan, strict=True) if chosen
    ):
        if progress is not None and number:
            progress.report(f"Explaining the {describe_stage(chosen[0])}", number, sum(map(bool, plan)))
        placed_maps += [(target, m, target.place(m)) for m in attribution.maps(target.make(), chosen, progress)]
    return [
        Heatmap(m.stage, m.grid, image, region_words, region_label, method, target.scalar)
        for target, m, image in placed_maps
    ]


def assign_stages(placed: Sequence[PlacedTarget], stages: Sequence[str]) -> list[list[str]]:
    """The stages that each target explains. Raises BadInputError for a stage that no target explains."""
    every = [stage for one in placed for stage in one.stages]
    plan = [one.stages_within(stages or every) for one in placed]
    for stage in stages:
        if not any(one.stages_within([stage]) for one in placed):
            network = placed[0].network
            raise unknown_stage(stage, every, network.parts if network.module_paths else ())
    return plan


def targets(
    model: Model, result: RegistrationResult, canvas: Grid, region: torch.Tensor, scalar: str
) -> list[PlacedTarget]:
    """All targets of the network, the motion of the region first."""
    if isinstance(model.network, FireNetwork):
        return list(FirePair(model, result, canvas, region).targets(scalar))
    volumes = model.volume(result.fixed, canvas), model.volume(result.moving, canvas, result.transform.alignment)

    def place(stage_map: StageMap) -> sitk.Image:
        return resample_to_image(stage_map.values.cpu().numpy(), canvas, stage_map.grid, result)

    target = motion_target(model.network, *volumes, scalar, region, canvas.spacing)
    network = model.network
    return [PlacedTarget(lambda: target, place, scalar, list(target.grids), lambda: network.parts, network)]
