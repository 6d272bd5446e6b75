"""The model that registers a pair: the named one, or with "auto" the first that was made for such images."""

from __future__ import annotations

from collections.abc import Callable
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
    """card: None for affine only. model: loaded where its network had a say in the choice. content: as in the record,
    what the last network that was asked said of both images; None where none was. anatomy: a label map of the fixed
    image and the labels' names, of a network that knows the fixed image but not the moving one."""

    card: ModelCard | None = None
    model: Model | None = None
    content: dict[str, str | None] | None = None
    anatomy: tuple[sitk.Image, dict[int, str]] | None = None


def choose(name: str, pair: ImagePair, load: Callable[[ModelCard], Model], log: Log) -> Choice:
    """name: "auto", "none", or a model's name or file. Raises BadInputError for a model that is not there."""
    if name == "none":
        return Choice()
    if name == "auto":
        with log.timed("choose"):
            choice, refusals = first_fitting(registry.installed_cards(), pair, load)
        if choice.card is None:
            log.warn(AFFINE_ONLY.format(reasons="; ".join(refusals) or "none is installed"))
        return choice
    card = registry.find_card(name)
    reasons, choice = card.domain_violations(pair.grids), Choice(card)
    if not reasons and "content" in card.values and not _too_large_for(card, pair):
        with log.timed("load"):
            model = load(card)
        with log.timed("choose"):
            choice = Choice(card, model, _content(card, model, pair))
            reason = _not_made_for(card, pair) or _refusal(choice.content)
        reasons = [reason] if reason else []
    if reasons:
        log.warn(NOT_MADE_FOR.format(name=card.name, reasons=_shorten(reasons)))
    return choice


def load_model(card: ModelCard, device: str, threads: int | None) -> Model:
    from ..torch_backend.inference.model import load_cached

    with device_errors():
        return load_cached(card, device, threads)


def choose_general(pair: ImagePair, load: Callable[[ModelCard], Model], without: ModelCard) -> Choice:
    """The first installed model for any pair that fits the images, but for the one `without`."""
    general = [card for card in registry.installed_cards() if card.canvas_fits_pair and card != without]
    return first_fitting(general, pair, load)[0]


def first_fitting(
    cards: list[ModelCard], pair: ImagePair, load: Callable[[ModelCard], Model]
) -> tuple[Choice, list[str]]:
    """The first card that was made for images like these, by their size and by what they show, and why those before it
    were not."""
    refusals: list[str] = []
    content = anatomy = None
    for card in cards:
        outside = card.domain_violations(pair.grids)
        reason = outside[0] if outside else _not_made_for(card, pair) or _too_large_for(card, pair)
        if reason is None:
            model = load(card)
            if "content" in card.values:
                content = _content(card, model, pair)
                reason = _refusal(content)
                anatomy = _anatomy(model, pair) if reason and content["fixed"] is None else None
            if reason is None:
                return Choice(card, model, content, anatomy), refusals
        refusals.append(f"{card.name}: {reason}")
    return Choice(content=content, anatomy=anatomy), refusals


def _not_made_for(card: ModelCard, pair: ImagePair) -> str | None:
    """Why the values of the images speak against the model, a phrase; None where they do not."""
    return _of_images(pair, reason_not_mr if "content" in card.values else reason_not_scan)


def _too_large_for(card: ModelCard, pair: ImagePair) -> str | None:
    """Before it is loaded, which takes long."""
    reason = memory_lacking_for(card.values["network"].get("type", ""), pair.fixed.GetSize(), pair.moving.GetSize())
    return reason and f"these images {reason}"


def _content(card: ModelCard, model: Model, pair: ImagePair) -> dict[str, str | None]:
    """Why each image shows another content than the model was made for, as its network sees it, a phrase; None where it
    does not. As in the record."""
    from ..torch_backend.inference.content import unlike

    with device_errors():
        reasons = {role: unlike(model, image) for role, image in _moving_first(pair)}
    return {"model": card.name, **reasons}


def _anatomy(model: Model, pair: ImagePair) -> tuple[sitk.Image, dict[int, str]] | None:
    from ..torch_backend.inference.regions import regions

    with device_errors():
        return regions(model, model.encode(pair.fixed))  # encoded a moment ago


def _refusal(content: dict[str, str | None] | None) -> str | None:
    found = content or {}
    return next((f"the {role} image {found[role]}" for role in ("moving", "fixed") if found.get(role)), None)


def _of_images(pair: ImagePair, reason_of: Callable[[sitk.Image], str | None]) -> str | None:
    for role, image in _moving_first(pair):
        if reason := reason_of(image):
            return f"the {role} image {reason}"
    return None


def _moving_first(pair: ImagePair) -> tuple[tuple[str, sitk.Image], ...]:
    return ("moving", pair.moving), ("fixed", pair.fixed)  # what is seen last is kept by the model


def _shorten(reasons: list[str]) -> str:
    """Two reasons are enough to see what kind of image it is."""
    more = f"; and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more
