"""The linear part of a registration, as the model's card asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import SimpleITK as sitk

from ..transforms import alignment
from ..transforms.affine_registration import register_affine_pair
from ..transforms.similarity import ComparedPair, Similarity
from ..volumes.threads import device_errors
from .log import Log
from .pair import ImagePair

if TYPE_CHECKING:
    from ..torch_backend.inference.model import Model

NETWORK_ALIGNMENT_REJECTED = (
    "The affine part of the model {name} aligns these images no better than their headers or centres do, so "
    "they were aligned without it."
)
NETWORK_ALIGNMENT_DOUBTFUL = (
    "The affine part of the model {name} aligns these images no better than their headers or centres do; "
    "check how they lie."
)


class LinearPart(NamedTuple):
    """transform: fixed-space to moving-space points, LPS mm. kind, steps: as in the record."""

    transform: sitk.AffineTransform
    kind: str
    steps: list[str] = []


def align(
    pair: ImagePair,
    compared: ComparedPair,
    initial: sitk.AffineTransform | None,
    model: Model | None,
    named: bool,
    log: Log,
) -> LinearPart:
    """initial: given by the user, taken as it is. model: None for affine only. named: by the user, not by "auto"."""
    log.progress.report("Aligning", 0, 4)
    if initial is not None:
        return LinearPart(initial, "given")
    kind = "affine" if model is None else model.card.values["alignment"]
    if kind == "centre":
        return LinearPart(alignment.align_centres(*pair.masked), kind)
    if kind == "stretched":
        return LinearPart(alignment.align_boxes(*pair.masked), kind)
    if kind == "network" and model is not None:
        network = _network_alignment(pair, compared.similarity(), model, named, log)
        if network is not None:
            return LinearPart(network, kind)
    affine = register_affine_pair(compared)
    if affine.warning:
        log.warn(affine.warning)
    return LinearPart(affine.transform, affine.kind, affine.steps)


def _network_alignment(
    pair: ImagePair, similarity: Similarity, model: Model, named: bool, log: Log
) -> sitk.AffineTransform | None:
    """By the model's own affine part; None where headers or centres do as well, unless the model was named."""
    from ..torch_backend.inference.alignment import align

    with device_errors():
        network_alignment = align(model, *pair.masked, log.warn)
    starts = alignment.align_centres(pair.fixed, pair.moving), sitk.AffineTransform(3)
    if all(similarity.gain(network_alignment, start) >= 0 for start in starts):
        return network_alignment
    log.warn((NETWORK_ALIGNMENT_DOUBTFUL if named else NETWORK_ALIGNMENT_REJECTED).format(name=model.card.name))
    return network_alignment if named else None
