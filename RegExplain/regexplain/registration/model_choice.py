"""The model that registers a pair: the named one, or with "auto" the first whose domain holds both images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import SimpleITK as sitk

from ..cards import registry
from ..cards.registry import ModelCard
from ..volumes.content import not_mr_reason, not_scan_reason
from ..volumes.memory import memory_lacking_for
from ..volumes.threads import device_errors
from .log import Log
from .pair import ImagePair

if TYPE_CHECKING:
    from ..torch_backend.inference.model import Model

OUTSIDE_DOMAIN = "The model {name} was not made for these images: {reasons}. Do not rely on the result."
AFFINE_ONLY = "No installed model fits these images, so this is an affine registration only: {reasons}."


class Choice(NamedTuple):
    """card: None for affine only. model: loaded where its network was needed for the choice. content: as in the
    record, what the last network found of both images; None where none was used. anatomy: a label map of the fixed
    image and the labels' names, of a network that knows the fixed image but not the moving one. inside_domain: whether
    the model was made for both images, by their size, values and content."""

    card: ModelCard | None = None
    model: Model | None = None
    content: dict[str, str | None] | None = None
    anatomy: tuple[sitk.Image, dict[int, str]] | None = None
    inside_domain: bool = True


def choose(name: str, pair: ImagePair, load: Callable[[ModelCard], Model], log: Log) -> Choice:
    """name: "auto", "none", or a model's name or file. Raises BadInputError for a model that is not there."""
    if name == "none":
        return Choice()
    if name == "auto":
        with log.timed("choose"):
            choice, reasons = first_fitting(registry.installed_cards(), pair, load)
        if choice.card is None:
            log.warn(AFFINE_ONLY.format(reasons="; ".join(reasons) or "none is installed"))
        return choice
    card = registry.find_card(name)
    reasons, choice = card.domain_violations(pair.grids), Choice(card)
    if not reasons and "content" in card.values and not _memory_mismatch(card, pair):
        with log.timed("load"):
            model = load(card)
        with log.timed("choose"):
            content = _content(card, model, pair)
            choice = Choice(card, model, content)
            reason = _values_mismatch(card, pair) or _content_reason(content)
        reasons = [reason] if reason else []
    if reasons:
        log.warn(OUTSIDE_DOMAIN.format(name=card.name, reasons=_abbreviated(reasons)))
    return choice._replace(inside_domain=not reasons)


def load_model(card: ModelCard, device: str, threads: int | None) -> Model:
    from ..torch_backend.inference.model import load_cached

    with device_errors():
        return load_cached(card, device, threads)


def choose_fallback(pair: ImagePair, load: Callable[[ModelCard], Model], without: ModelCard) -> Choice:
    """The first installed model for any pair that fits the images, but for the one `without`."""
    general = [card for card in registry.installed_cards() if card.canvas_fits_pair and card != without]
    return first_fitting(general, pair, load)[0]


def first_fitting(
    cards: list[ModelCard], pair: ImagePair, load: Callable[[ModelCard], Model]
) -> tuple[Choice, list[str]]:
    """The first card whose domain holds the images, by size and content, and why those before it do not."""
    reasons: list[str] = []
    content = anatomy = None
    for card in cards:
        outside = card.domain_violations(pair.grids)
        reason = outside[0] if outside else _values_mismatch(card, pair) or _memory_mismatch(card, pair)
        if reason is None:
            model = load(card)
            if "content" in card.values:
                content = _content(card, model, pair)
                reason = _content_reason(content)
                anatomy = _anatomy(model, pair) if reason and content["fixed"] is None else None
            if reason is None:
                return Choice(card, model, content, anatomy), reasons
        reasons.append(f"{card.name}: {reason}")
    return Choice(content=content, anatomy=anatomy), reasons


def _values_mismatch(card: ModelCard, pair: ImagePair) -> str | None:
    """Why the values of the images exclude the model, a phrase; None where they do not."""
    reason_of = not_mr_reason if "content" in card.values else not_scan_reason
    return _first_reason((role, reason_of(image)) for role, image in _by_role(pair))


def _memory_mismatch(card: ModelCard, pair: ImagePair) -> str | None:
    """Before it is loaded, which takes long."""
    reason = memory_lacking_for(card.values["network"].get("type", ""), pair.fixed.GetSize(), pair.moving.GetSize())
    return reason and f"these images {reason}"


def _content(card: ModelCard, model: Model, pair: ImagePair) -> dict[str, str | None]:
    """Why the content of each image is not what the model was made for, by its network, a phrase; None where it is.
    As in the record."""
    from ..torch_backend.inference.content import content_mismatch

    with device_errors():
        reasons = {role: content_mismatch(model, image) for role, image in _by_role(pair)}
    return {"model": card.name, **reasons}


def _anatomy(model: Model, pair: ImagePair) -> tuple[sitk.Image, dict[int, str]] | None:
    from ..torch_backend.inference.regions import regions

    with device_errors():
        return regions(model, model.encode(pair.fixed))  # encoded a moment ago


def _content_reason(content: dict[str, str | None]) -> str | None:
    return _first_reason((role, content[role]) for role in ("moving", "fixed"))


def _first_reason(reasons: Iterable[tuple[str, str | None]]) -> str | None:
    """reasons: by the role of the image; no more of them are asked for than are needed."""
    return next((f"the {role} image {reason}" for role, reason in reasons if reason), None)


def _by_role(pair: ImagePair) -> tuple[tuple[str, sitk.Image], ...]:
    return ("moving", pair.moving), ("fixed", pair.fixed)  # the model caches the encoding of the last one


def _abbreviated(reasons: list[str]) -> str:
    """Two reasons are enough to see what kind of image it is."""
    more = f"; and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    return "; ".join(reasons[:2]) + more
