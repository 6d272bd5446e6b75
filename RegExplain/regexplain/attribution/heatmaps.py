"""Heatmaps of a finished registration, on the grids of the images they explain."""

from __future__ import annotations

from collections.abc import Sequence

import SimpleITK as sitk
import torch

from ..errors import BadInputError
from ..geometry import Grid
from ..inference.model import Model
from ..networks.fire import FireNetwork
from ..progress import Progress
from ..results.explanations import USUAL_METHOD, USUAL_SCALAR, Heatmap
from ..results.registration_result import RegistrationResult
from .attribution import IMAGES, ImageAttribution, StageMap
from .fire_questions import FirePair
from .methods import attribution
from .placing import Asked, in_place
from .question import motion_question


def heatmaps(
    model: Model,
    result: RegistrationResult,
    stages: Sequence[str],
    region: sitk.Image,
    region_words: str,
    region_label: int | None,
    method: str = USUAL_METHOD,
    scalar: str = USUAL_SCALAR,
    progress: Progress | None = None,
) -> list[Heatmap]:
    """One a stage, all that the method has by default. `region`: mask (> 0) on the fixed grid."""
    canvas = model.canvas(result.fixed)
    weights = torch.from_numpy(sitk.GetArrayFromImage(canvas.sample(sitk.Cast(region > 0, sitk.sitkFloat32)))).to(
        model.device
    )
    if float(weights.sum()) == 0:
        raise BadInputError(
            "The region lies outside the part of the fixed image that the model sees; choose another region."
        )
    asked = questions(model, result, canvas, weights, scalar)
    found = attribution(method)
    owners = {stage: one for one in asked for stage in one.stages}
    if isinstance(found, ImageAttribution):
        owners = dict.fromkeys(IMAGES, asked[0])
    made = []
    for one in asked:  # a stage that none owns is a module's path, or refused by the first
        wanted = [stage for stage in stages or owners if owners.get(stage, asked[0]) is one]
        made += [(one, m) for m in (found.maps(one.question, wanted, progress) if wanted else [])]
    return [Heatmap(m.stage, m.grid, one.place(m), region_words, region_label, method, one.scalar) for one, m in made]


def questions(model: Model, result: RegistrationResult, canvas: Grid, region: torch.Tensor, scalar: str) -> list[Asked]:
    """All that can be asked of the network; the first is also that of modules which are no stage of any."""
    if isinstance(model.network, FireNetwork):
        return list(FirePair(model, result, canvas, region).questions(scalar))
    volumes = model.volume(result.fixed, canvas), model.volume(result.moving, canvas, result.transform.alignment)

    def place(found: StageMap) -> sitk.Image:
        return in_place(found.values.cpu().numpy(), canvas, found.grid, result)

    question = motion_question(model.network, *volumes, scalar, region, canvas.spacing)
    return [Asked(question, place, scalar, list(question.grids))]
