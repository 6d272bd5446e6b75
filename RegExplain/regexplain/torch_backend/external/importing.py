"""A network of another framework into the folder of the user's own models: complete or absent."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from torch import Tensor

from ...cards import external
from ...cards.registry import CARD, WEIGHTS, ModelCard, installed_cards, read_card, sha256
from ...cards.settings import user_models
from ...errors import BadInputError
from ...progress import Progress
from ..inference.model import Model, check_canvas_memory, select_device
from .cells import measured_cells
from .construction import construct, fill
from .conversion import read_weights
from .drafts import Draft
from .network import ExternalNetwork
from .self_check import SelfCheck, self_check
from .synthetic_volume import synthetic_volume
from .tree import main_stage, modules_of

STEPS = "Reading the weights", "Making the network", "Trying the network", "Checking the convention"


def import_model(
    draft: Draft,
    check: bool = False,
    image: sitk.Image | None = None,
    device: str = "auto",
    replace: bool = False,
    progress: Progress | None = None,
) -> tuple[ModelCard, SelfCheck | None]:
    """The card of what was imported, and what checking its convention found. image: of the kind that it was made for.

    Raises BadInputError, and then nothing was imported: for a card, weights or network that cannot be used, and, where
    it is checked, for a convention that does not fit.
    """
    progress = progress or Progress()
    values = draft.values | {"files": {}}
    card = ModelCard(Path(), values)
    folder = _free_folder(card.name, replace)
    stages = external.stages(values["network"])
    _check_canvas(card)
    progress.report(STEPS[0], 0, len(STEPS))
    weights = read_weights(draft.weights)
    progress.report(STEPS[1], 1, len(STEPS))
    module = construct(card.values["network"])
    fill(module, weights, card.name)
    chosen = select_device(device)
    network = ExternalNetwork.of(card, module.eval().requires_grad_(False).to(chosen)).eval()
    progress.report(STEPS[2], 2, len(STEPS))
    volume, spacing = _volume(Model(card, network, chosen), image)
    rows = modules_of(network, volume, volume)
    for name, place in stages.items():
        if place["module"] not in {row["module"] for row in rows}:
            raise BadInputError(
                f"The card's stage {name!r} names the module {place['module']!r}, and the network has none there that "
                "gives a volume of features."
            )
    if not stages and (row := main_stage(rows)):
        place = {"module": row["module"], "image": "fixed", "cells": measured_cells(network, row["module"], volume)}
        card.values["network"]["stages"] = {"main": place}
    values |= {"modules": rows, "parameters": sum(p.numel() for p in module.parameters())}
    check_result = None
    if check:
        progress.report(STEPS[3], 3, len(STEPS))
        check_result = self_check(network, volume, spacing)
        if not check_result.fits:
            raise BadInputError(check_result.message)
        values["self_check"] = {
            "words": check_result.message,
            "shift_mm": check_result.shift_mm,
            "answer_mm": check_result.answer_mm,
            "error": check_result.error,
        }
    values["memory_bytes"] = peak_bytes()
    _write(folder, values, weights)
    progress.report(STEPS[3], len(STEPS), len(STEPS))
    return read_card(folder / CARD), check_result


def with_changes(draft: Draft, changes: Sequence[str], name: str | None = None) -> Draft:
    """changes: "units=mm", "canvas.size=[96,96,96]", "options.nb_features=[16,32]": of the card, of its network, of a
    part of either. Raises BadInputError."""
    values: dict[str, Any] = json.loads(json.dumps(draft.values))
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise BadInputError(f"{change!r} changes nothing; give KEY=VALUE, such as units=mm.")
        first, *inner = key.split(".")
        place = values if first in ("canvas", "domain", "title", "alignment", "intensities") else values["network"]
        for part in (first, *inner)[:-1]:
            place = place.setdefault(part, {})
        try:
            place[(first, *inner)[-1]] = json.loads(text)
        except ValueError:
            place[(first, *inner)[-1]] = text
    if name:
        values["name"] = name
    return draft._replace(values=values)


def _check_canvas(card: ModelCard) -> None:
    canvas = card.values.get("canvas") or {}
    size, spacing = canvas.get("size"), canvas.get("spacing_mm")
    spaced = isinstance(spacing, list) or canvas.get("fits") in ("image", "pair")
    if not (isinstance(size, list) and len(size) == 3 and all(isinstance(n, int) and n >= 8 for n in size) and spaced):
        raise BadInputError(
            "The card does not say on which canvas the network works; give its size in voxels, x, y, z, and their "
            'spacing in mm, or that it fits the image ("canvas": {"size": [96, 96, 96], "fits": "image"}; with --set '
            "canvas.size=[96,96,96])."
        )
    check_canvas_memory(card)


def _volume(model: Model, image: sitk.Image | None) -> tuple[Tensor, tuple[float, ...]]:
    """What the network is tried on, and the spacing of its voxels."""
    card = model.card
    if image is not None:
        canvas = model.canvas(image, image, sitk.AffineTransform(3))
        return model.volume(image, canvas), canvas.spacing
    volume = synthetic_volume(card.canvas_size[::-1]).to(model.device)
    return volume, tuple(card.values["canvas"].get("spacing_mm", (1.0, 1.0, 1.0)))


def _free_folder(name: str, replace: bool) -> Path:
    if not name or name != Path(name).name or name in ("auto", "none") or name.startswith("."):
        raise BadInputError(f"{name!r} is no name for a model; give another with --name.")
    folder = user_models() / name
    if any(card.name == name for card in installed_cards()) or (folder.exists() and not replace):
        raise BadInputError(f"There is already a model {name}; give another name with --name, or --overwrite yours.")
    return folder


def _write(folder: Path, values: dict[str, Any], weights: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".importing-", dir=folder.parent))
    try:
        save_file(weights, str(aside / WEIGHTS))
        values["files"] = {WEIGHTS: sha256(aside / WEIGHTS)}
        (aside / CARD).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def peak_bytes() -> int | None:
    """Of this process so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
