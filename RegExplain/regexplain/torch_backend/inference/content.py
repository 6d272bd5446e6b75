"""Whether an image shows what a model was made for, as its own network judges: the organ, then the contrast."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F

from ...errors import BadInputError
from ...latent.population import Population
from .alignment import landmark_grid
from .model import Model

SURE = 0.8  # of a structure in the read-out
FEW_VOXELS = 20
GREY_NEAR_WHITE = 0.95  # cortex over white matter: below it grey is darker, as in T1; above it as in FLAIR


@torch.inference_mode()
def unlike(model: Model, image: sitk.Image) -> str | None:
    """Why the image is not what the model's card says it was made for ("content"), a phrase; None where it may be."""
    content = model.card.values.get("content")
    if content is None:
        return None
    try:
        checks = (_landmarks, _fluid) if "landmarks_mm" in content else (_encoding,)
        return next(filter(None, (check(model, image, content) for check in checks)), None)
    except BadInputError:
        return "shows nothing that the model could see"


def _landmarks(model: Model, image: sitk.Image, content: dict[str, Any]) -> str | None:
    """The model's landmarks lie to each other as in a head, whatever its size, pose and shear."""
    found, _ = model.network.affine.landmarks(model.volume(image, landmark_grid(model, image)))
    apart = misfit(found.points[0].double().cpu().numpy(), np.array(content["landmarks_mm"]))
    return "does not show what the model was made for" if apart > content["landmarks_apart_mm"] else None


def misfit(points: np.ndarray, template: np.ndarray) -> float:
    """Root mean square distance, mm, of points (K, 3) from the template's after the best affine of the latter."""
    homogeneous = np.column_stack([template, np.ones(len(template))])
    affine, *_ = np.linalg.lstsq(homogeneous, points, rcond=None)
    return float(np.sqrt(((homogeneous @ affine - points) ** 2).sum(1).mean()))


def _fluid(model: Model, image: sitk.Image, content: dict[str, Any]) -> str | None:
    """Fluid in the ventricles is darker than white matter, in FLAIR much so; in T2, PD and CT it is not."""
    encoded, network = model.encode(image), model.network
    volume = encoded.volume[0, 0]
    structures = F.interpolate(
        network.read_out(encoded.features[-1]).sigmoid(), encoded.volume.shape[2:], mode="trilinear"
    )
    white, cortex, fluid = (
        volume[sum(structures[0, label - 1] for label in content[name]) > SURE].cpu().numpy()
        for name in ("white_matter", "cortex", "ventricles")
    )
    if min(map(len, (white, cortex, fluid))) < FEW_VOXELS:
        return "does not show what the model was made for"
    bright = np.median(white)
    darkness = np.percentile(fluid, (25, 50, 90)).mean() / bright
    most = content["fluid_t1" if np.median(cortex) < GREY_NEAR_WHITE * bright else "fluid_flair"]
    return "has another contrast than the model was made for" if darkness > most else None


def _encoding(model: Model, image: sitk.Image, content: dict[str, Any]) -> str | None:
    """What the components leave undescribed is not far more than of any training case."""
    population = Population.of(model.components)
    if population is None:
        return None
    canvas = model.canvas(image)
    encoding = model.network.encode(model.volume(image, canvas)).flatten().double().cpu().numpy()
    far = population.stand(encoding).residual / population.residual.max()
    return "does not show what the model was made for" if far > content["residual"] else None
