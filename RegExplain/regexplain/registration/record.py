"""What result.json holds of a registration (docs/result-folder.md)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import SimpleITK as sitk

from .. import __version__
from ..cards.registry import ModelCard
from ..results.expected_error import is_like_measured_images
from ..results.folder import SCHEMA_VERSION
from ..results.metrics import measure_registration
from ..results.registration_result import RegistrationResult
from ..transforms.alignment import alignment_parameters
from ..transforms.counterparts import compare_counterparts
from ..transforms.itk import RegistrationTransform
from ..transforms.mirroring import gain_of_mirroring
from ..transforms.similarity import ComparedPair
from ..volumes.geometry import Grid
from ..volumes.ghosting import ghost_to_signal_ratio
from .deformation import Deformation
from .linear import LinearPart
from .log import Log
from .model_choice import Choice
from .pair import ImagePair


def registration_record(
    result: RegistrationResult,
    initial: sitk.Transform | None,
    linear: LinearPart,
    choice: Choice,
    deformation: Deformation,
    named: bool,
    settings: dict[str, Any],
    log: Log,
) -> dict[str, Any]:
    """initial: the transform between the images when nothing is done yet; None is as their headers say.
    choice: of the model, whose deformation may have been left out. named: by the user, not by "auto"."""
    kept = choice.card if deformation.displacement is not None else None
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "regexplain_version": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "kind": "affine" if kept is None else "deformable",
        "model": None if kept is None else model_record(kept, deformation.better, named, choice.inside_domain),
        "settings": settings,
        "alignment": {"kind": linear.kind, "steps": linear.steps}
        | alignment_parameters(linear.transform, Grid.of(result.fixed)),
        "population": deformation.population,
        "heatmaps": [],
        "components": None,
    }
    if choice.card is not None and kept is None:
        record["not_kept"] = choice.card.name
    record |= measure_registration(result, initial, log.warn, deformation.regions)
    log.finish()
    return record | {"seconds": log.seconds, "warnings": log.warnings, "fallbacks": log.fallbacks}


def content_record(
    pair: ImagePair,
    compared: ComparedPair,
    transform: RegistrationTransform,
    content: dict[str, str | None] | None,
    anatomy: tuple[sitk.Image, dict[int, str]] | None,
) -> dict[str, Any]:
    """Of the images' content: as a network found it; of heads, ghosts; and, where it segmented the anatomy, whether
    tissue has a counterpart, and whether left and right are exchanged."""
    if content is None:
        values: dict[str, Any] = {}
    else:
        values = {"content": content}
        if is_like_measured_images(pair.fixed, values):
            values["ghosting"] = {
                "fixed": ghost_to_signal_ratio(pair.fixed),
                "moving": ghost_to_signal_ratio(pair.moving),
            }
    if anatomy is None:
        return values
    counterparts = compare_counterparts(*pair.masked, transform.itk(), *anatomy)
    if counterparts is not None:
        values["counterparts"] = counterparts.record
    gain = gain_of_mirroring(compared, transform.alignment)
    if gain is not None:
        values["mirroring"] = {"gradients": float(gain.gradients), "information": float(gain.information)}
    return values


def model_record(card: ModelCard, better: bool | None, named: bool, inside_domain: bool) -> dict[str, Any]:
    return {
        "better": better,
        "name": card.name,
        "sha256": card.weights_sha256,
        "chosen": "named" if named else "auto",
        "inside_domain": inside_domain,
    }
