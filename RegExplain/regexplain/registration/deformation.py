"""The deformation that a model adds to the alignment, and whether it improves the similarity of the images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..landmarks.pairs import LandmarkPairs
from ..latent.population import Population
from ..results.landmarks import mapped
from ..transforms.itk import RegistrationTransform, displacement_transform, resample_displacement
from ..transforms.similarity import FINE_CELLS, ComparedPair
from ..volumes.threads import device_errors
from .left_out_landmarks import left_out_distances
from .log import Log
from .pair import ImagePair

if TYPE_CHECKING:
    from ..torch_backend.inference.model import Model
    from ..torch_backend.inference.prediction import Prediction

ROUNDING = 1e-6  # of images that do not move
ATYPICAL = (
    "The {role} image is unlike the images that the model {name} was trained on: {reason}. Check that it is the right "
    "anatomy, complete, and neither turned nor mirrored; do not rely on the result before you have looked closely."
)
DEFORMATION_DOUBTFUL = (
    "After the model {name} the images are less alike than after the alignment alone. Do not rely on the deformation; "
    "--model none gives the alignment."
)
DEFORMATION_REJECTED = (
    "After the model {name} the images were less alike than after the alignment alone, so the result is the alignment "
    "only."
)
FALLBACK_MODEL = (
    "After the model {name} the images were less alike than after the alignment alone, so the general model {other} "
    "was asked."
)
NOT_REFINED = (
    "After refining the images were less alike than before it, so the result is the answer of the model {name} without "
    "it."
)


class Deformation(NamedTuple):
    """displacement: on the fixed grid. inverse: what undoes it, on the canvas. Both LPS mm, None for affine only.

    better: whether the images are no less alike after it. refined: whether the refinement was kept. regions: the
    network's label map of the fixed image, on the canvas, and the labels' names. population: where both images lie in
    the training population, as in the record.
    left_out: (N,) mm, the distance of each landmark where it was left out.
    """

    displacement: sitk.Image | None = None
    inverse: sitk.Image | None = None
    better: bool | None = None
    refined: bool = False
    regions: tuple[sitk.Image, dict[int, str]] | None = None
    population: dict[str, Any] | None = None
    left_out: np.ndarray | None = None


def deform(
    pair: ImagePair,
    compared: ComparedPair,
    linear: sitk.AffineTransform,
    model: Model | None,
    refine: int,
    named: bool,
    log: Log,
    landmarks: LandmarkPairs | None = None,
) -> Deformation:
    """linear: the alignment. refine: steps of instance optimisation. named: by the user, not by "auto".
    landmarks: of the refinement.

    Affine only without a model, and where one that was not named makes the images less alike; the caller
    warns, as it may try another one.
    """
    log.progress.report("Registering", 1, 4)
    with log.timed("register"):
        if model is None:
            return Deformation()
        with device_errors():
            predict_with = partial(_predict, pair, linear, model, refine, log)
            prediction = predict_with(landmarks)
        population = _population(model, prediction.encodings, log)
    left_out = None
    if _is_worse_after_refining(compared, linear, model, prediction, log):
        left_out = _left_out(predict_with, linear, landmarks, log)
        if left_out is None or not _reduces_landmark_distance(left_out, prediction, linear, landmarks):
            log.fall_back(NOT_REFINED.format(name=model.card.name))
            prediction, left_out = prediction.without_refining, None
    refined = prediction.unrefined is not None
    with log.timed("judge"):
        better = _is_as_similar(compared, linear, prediction.displacement)
    if named and not better:
        log.warn(DEFORMATION_DOUBTFUL.format(name=model.card.name))
    if not (better or named):
        return Deformation()
    if refined and left_out is None:
        left_out = _left_out(predict_with, linear, landmarks, log)
    displacement = resample_displacement(prediction.displacement, pair.grids["fixed"])
    return Deformation(displacement, prediction.inverse, better, refined, prediction.regions, population, left_out)


def _left_out(
    predict_with: Callable[[LandmarkPairs | None], Prediction],
    linear: sitk.AffineTransform,
    landmarks: LandmarkPairs | None,
    log: Log,
) -> np.ndarray | None:
    """(N,) mm, the distance of each landmark where the refinement left it out; None without landmarks."""
    if landmarks is None:
        return None
    with log.timed("leave out"), device_errors():
        return left_out_distances(lambda some: predict_with(some).displacement, linear, landmarks)


def _reduces_landmark_distance(
    left_out: np.ndarray, prediction: Prediction, linear: sitk.AffineTransform, landmarks: LandmarkPairs | None
) -> bool:
    """Whether left-out landmarks are nearer after refining than after the network alone."""
    assert landmarks is not None
    network_only = displacement_transform(prediction.without_refining.displacement)
    before = mapped(sitk.CompositeTransform([linear, network_only]), landmarks.fixed) - landmarks.moving
    return bool(left_out.mean() < np.linalg.norm(before, axis=-1).mean())


def _predict(
    pair: ImagePair,
    linear: sitk.AffineTransform,
    model: Model,
    refine: int,
    log: Log,
    landmarks: LandmarkPairs | None,
) -> Prediction:
    from ..torch_backend.inference.prediction import predict

    masks = pair.fixed_mask, pair.moving_mask
    return predict(model, *pair.masked, linear, refine, log.progress, masks, landmarks)


def _is_as_similar(compared: ComparedPair, linear: sitk.AffineTransform, displacement: sitk.Image) -> bool:
    """Whether the images are at least as similar as after the alignment alone."""
    similarity = compared.similarity(FINE_CELLS)
    whole = RegistrationTransform(linear, displacement).sampled(similarity.grid).itk()
    difference = similarity.difference(whole, linear)
    return difference is None or bool(difference.values.min() >= -ROUNDING)


def _is_worse_after_refining(
    compared: ComparedPair, linear: sitk.AffineTransform, model: Model, prediction: Prediction, log: Log
) -> bool:
    """Whether the images are less alike than before it, if there was any. Not asked of a model with a latent space: it
    lays structures on each other that it knows."""
    if prediction.unrefined is None or model.card.has_components:
        return False
    with log.timed("judge refining"):
        similarity = compared.similarity(FINE_CELLS)
        new, old = (
            RegistrationTransform(linear, field).sampled(similarity.grid).itk()
            for field in (prediction.displacement, prediction.unrefined[0])
        )
        scores = similarity.common_scores(new, old)
    return scores is not None and scores[0].relative_gain(scores[1]) < -ROUNDING


def _population(model: Model, encodings: dict[str, np.ndarray], log: Log) -> dict[str, Any] | None:
    """Where both images lie in the model's training population; a warning for one that is atypical."""
    population = Population.of(model.components) if model.card.has_components else None
    if population is None:
        return None
    scores = {role: population.score(encoding) for role, encoding in encodings.items()}
    for role, score in scores.items():
        if score.atypical:
            log.warn(ATYPICAL.format(role=role, name=model.card.name, reason=score.reason))
    return {role: score.record for role, score in scores.items()}
