"""The model that registers a pair: the named one, or with "auto" the first that was made for such images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import SimpleITK as sitk

from ..cards import registry
from ..cards.registry import ModelCard
from ..volumes.content import reason_not_mr, reason_not_scan
from ..volumes.memory import memory_lacking_for
from ..volumes.threads import device_errors
from .log import Log
from .pair import ImagePair

if TYPE_CHECKING:
    from ..torch_backend.inference.model import Model

NOT_MADE_FOR = "The model {name} was not made for these images: {reasons}. Do not rely on the result."
AFFINE_ONLY = "No installed model fits these images, so this is an affine registration only: {reasons}."


class Choice(NamedTuple):
    """card: None for affine only. model: loaded where its network had a say in the choice."""

    card: ModelCard | None = None
    model: Model | None = None


def choose(name: str, pair: ImagePair, load: Callable[[ModelCard], Model], log: Log) -> Choice:
    """name: "auto", "none", or a model's name or file. Raises BadInputError for a model that is not there."""
    if name == "none":
        return Choice()
    if name == "auto":
        with log.timed("choose"):
            choice, refusals = _first_fitting(registry.installed_cards(), pair, load)
        if choice.card is None:
            log.warn(AFFINE_ONLY.format(reasons="; ".join(refusals) or "none is installed"))
        return choice
    card = registry.find_card(name)
    reasons = card.domain_violations(pair.grids)
    if reasons:
        log.warn(NOT_MADE_FOR.format(name=card.name, reasons=_shorten(reasons)))
    return Choice(card)


def load_model(card: ModelCard, device: str, threads: int | None) -> Model:
    from ..torch_backend.inference.model import load_cached

    with device_errors():
        return load_cached(card, device, threads)


def choose_general(pair: ImagePair, load: Callable[[ModelCard], Model], without: ModelCard) -> Choice:
    """The first installed model for any pair that fits the images, but for the one `without`."""
    general = [card for card in registry.installed_cards() if card.canvas_fits_pair and card != without]
    return _first_fitting(general, pair, load)[0]


def _first_fitting(
    cards: list[ModelCard], pair: ImagePair, load: Callable[[ModelCard], Model]
) -> tuple[Choice, list[str]]:
    """The first card that was made for images like these, by their size and by what they show, and why those before it
    were not."""
    refusals: list[str] = []
    for card in cards:
        outside = card.domain_violations(pair.grids)
        reason = outside[0] if outside else _not_made_for(card, pair) or _too_large_for(card, pair)
        if reason is None:
            model = load(card)
            reason = _unlike(model, pair)
            if reason is None:
                return Choice(card, model), refusals
        refusals.append(f"{card.name}: {reason}")
    return Choice(), refusals


def _not_made_for(card: ModelCard, pair: ImagePair) -> str | None:
    """Why the values of the images speak against the model, a phrase; None where they do not."""
    return _of_images(pair, reason_not_mr if "content" in card.values else reason_not_scan)


def _too_large_for(card: ModelCard, pair: ImagePair) -> str | None:
    """Before it is loaded, which takes long."""
    reason = memory_lacking_for(card.values["network"].get("type", ""), pair.fixed.GetSize(), pair.moving.GetSize())
    return reason and f"these images {reason}"


def _unlike(model: Model, pair: ImagePair) -> str | None:
    """Why the model's network sees another content than it was made for, a phrase; None where it does not."""
    from ..torch_backend.inference.content import unlike

    with device_errors():
        return _of_images(pair, partial(unlike, model))


def _of_images(pair: ImagePair, reason_of: Callable[[sitk.Image], str | None]) -> str | None:
    for role, image in (("moving", pair.moving), ("fixed", pair.fixed)):  # what is seen last is kept by the model
        if reason := reason_of(image):
            return f"the {role} image {reason}"
    return None


def _shorten(reasons: list[str]) -> str:
    """Two reasons are enough to see what kind of image it is."""
    more = f"; and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more
