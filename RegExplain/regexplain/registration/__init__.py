"""Register two images: the Python API behind `regexplain register`. torch is imported only where a model runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import SimpleITK as sitk

from ..cards.registry import ModelCard
from ..errors import BadInputError
from ..landmarks.pairs import LandmarkPairs
from ..progress import Progress
from ..results.landmarks import enter_landmarks
from ..results.registration_result import RegistrationResult
from ..transforms.alignment import SEED, check_overlap
from ..transforms.itk import RegistrationTransform, compose_inverse
from ..transforms.similarity import ComparedPair
from ..volumes.memory import check_memory_for
from ..volumes.threads import use_threads
from .deformation import DEFORMATION_REJECTED, FALLBACK_MODEL, Deformation, deform
from .left_out_landmarks import check_landmarks
from .linear import align
from .log import Log
from .model_choice import Choice, choose, choose_fallback, load_model
from .pair import ImagePair, check_initial_transform
from .record import content_record, registration_record

if TYPE_CHECKING:
    from ..torch_backend.inference.model import Model


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    model: str | os.PathLike[str] = "auto",
    *,
    fixed_segmentation: sitk.Image | None = None,
    moving_segmentation: sitk.Image | None = None,
    fixed_mask: sitk.Image | None = None,
    moving_mask: sitk.Image | None = None,
    initial_transform: sitk.Transform | None = None,
    refine: int = 0,
    landmarks: LandmarkPairs | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> RegistrationResult:
    """Register `moving` to `fixed`, two 3-D scalar images of any grid.

    model: "auto" takes the first installed model that was made for what both images show, a general one last; where
    its answer makes the images no more alike, a general one is tried, and where that does not either, the result is
    affine only, as with "none". Otherwise a model's name or file, used on any image, with a warning outside its domain.
    fixed_mask, moving_mask: what is 0 in them does not count in the alignment, the refinement and the comparison of
    results, and is dark to the network.
    initial_transform: linear, maps fixed-space to moving-space points (LPS mm) and replaces the alignment.
    refine: steps of instance optimisation after the network's prediction, without segmentations; none if affine only.
    landmarks: a soft term of the refinement too. The record has their distances, each also with that landmark left
    out: only those say how good the result is.
    threads: processor threads, all by default.
    The result's `transform` maps fixed-space to moving-space points. Raises BadInputError for unusable inputs.
    """
    log = Log(progress or Progress())
    segmentations, masks = (fixed_segmentation, moving_segmentation), (fixed_mask, moving_mask)
    pair = ImagePair.checked((fixed, moving), segmentations, masks, log.warn)
    initial = check_initial_transform(initial_transform)
    threads = use_threads(threads)
    if refine < 0:
        raise BadInputError("The number of refining steps is negative; give 0 or more.")
    check_landmarks(landmarks, refine)
    if initial is None:
        check_overlap(pair.fixed, pair.moving)

    named, load = str(model) != "auto", partial(load_model, device=device, threads=threads)
    choice = choose(str(model), pair, load, log)
    sizes = (grid.size for grid in pair.grids.values())
    check_memory_for("affine" if choice.card is None else choice.card.values["network"].get("type", ""), *sizes)
    if choice.card is not None and choice.model is None:
        with log.timed("load"):
            choice = choice._replace(model=load(choice.card))
    compared = ComparedPair(pair.fixed, pair.moving, **pair.masks)
    with log.timed("align"):
        linear = align(pair, compared, initial, choice.model, named, log)
    deform_with = partial(
        deform, pair, compared, linear.transform, refine=refine, named=named, log=log, landmarks=landmarks
    )
    deformation = deform_with(model=choice.model)
    if choice.card is not None and deformation.displacement is None:
        choice, deformation = _deform_by_fallback(choice, deform_with, pair, load, log)
    transform = RegistrationTransform(linear.transform, deformation.displacement)
    with log.timed("check"):
        anatomy = deformation.regions or choice.anatomy
        content_values = content_record(pair, compared, transform, choice.content, anatomy)
    del compared  # copies of both scans

    log.progress.report("Measuring", 3, 4)
    result = RegistrationResult(
        pair.fixed,
        pair.moving,
        transform,
        compose_inverse(linear.transform, deformation.inverse, pair.grids["moving"]),
        pair.fixed_segmentation,
        pair.moving_segmentation,
        **pair.masks,
    )
    settings = {
        "device": "cpu" if choice.model is None else str(choice.model.device),
        "threads": threads,
        "seed": SEED,
        "refine": refine if deformation.refined else 0,
    }
    result.record = registration_record(result, initial, linear, choice, deformation, named, settings, log)
    result.record |= content_values
    if landmarks is not None:
        enter_landmarks(result, landmarks, log.warn, deformation.left_out)
        if deformation.left_out is None:
            log.warn("The landmarks were not used, as no network's answer was refined; they were measured only.")
    log.progress.report("Measuring", 4, 4)
    return result


def _deform_by_fallback(
    choice: Choice,
    deform_with: Callable[..., Deformation],
    pair: ImagePair,
    load: Callable[[ModelCard], Model],
    log: Log,
) -> tuple[Choice, Deformation]:
    """By a general model, as the chosen one made the images less alike; affine only where that one does too."""
    assert choice.card is not None
    card, deformation = choice.card, Deformation()
    other = choose_fallback(pair, load, without=card)
    if other.card is not None:
        log.fall_back(FALLBACK_MODEL.format(name=card.name, other=other.card.name))
        card, deformation = other.card, deform_with(model=other.model)
        choice = choice._replace(card=card, model=other.model)
    if deformation.displacement is None:
        log.fall_back(DEFORMATION_REJECTED.format(name=card.name))
    return choice, deformation
