"""Cards of networks that people already have, as far as their framework says what is on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from ...cards.external import TYPE
from ...errors import BadInputError

NETS = "monai.networks.nets."
RELEASES = "https://github.com/uncbiag/uniGradICON/releases"
UNIGRADICON = Path("network_weights", "unigradicon1.0", "Step_2_final.trch")  # where the package itself keeps them
UNET = [[2, 16, 32, 64, 256, 512], [16, 32, 64, 128, 256]]  # channels down and up
DOMAIN = {"modality": "unknown"}


class Draft(NamedTuple):
    """A card without its files, and the weights to convert."""

    values: dict[str, Any]
    weights: Path


def draft(framework: str, source: Path | None) -> Draft:
    """framework: one of DRAFTS. source: what it takes. Raises BadInputError."""
    return DRAFTS[framework](source)


def card(source: Path | None) -> Draft:
    """A card that the user wrote; weights: the file that its "weights" names, beside it."""
    values = _json(_required(source, "card CARD.json"))
    if "class" not in values.get("network", {}):
        raise BadInputError(
            f"{source} names no class of a network; a card has at least a name, a network with its class, a canvas and "
            "weights (docs/external-networks.md)."
        )
    assert source is not None
    if "weights" not in values:
        raise BadInputError(f"{source} names no weights; put the name of their file on it.")
    weights = source.parent / values.pop("weights")
    return Draft(_with_defaults(values, source.stem), weights)


def voxelmorph(source: Path | None) -> Draft:
    """The state_dict of a VxmPairwise of the torch version, as its authors train it unless --set says otherwise."""
    path = _required(source, "voxelmorph FILE")
    network = {
        "class": "voxelmorph.nn.models.VxmPairwise",
        "options": {"ndim": 3, "source_channels": 1, "target_channels": 1},
        "call": "pair",
    }
    canvas = {"size": [160, 192, 224], "spacing_mm": [1.0, 1.0, 1.0], "multiple": 16}
    return Draft(_with_defaults({"title": "voxelmorph", "network": network, "canvas": canvas}, path.stem), path)


def monai(source: Path | None) -> Draft:
    """A bundle: a folder with configs/metadata.json, a configuration that defines network_def, and models/model.pt."""
    folder = _required(source, "monai BUNDLE")
    files = [folder / "configs" / f"{name}.json" for name in ("inference", "train", "evaluate")]
    definitions = [
        values["network_def"] for values in map(_json, filter(Path.is_file, files)) if "network_def" in values
    ]
    if not definitions:
        raise BadInputError(f"{folder} is no MONAI bundle that defines a network (network_def in configs/*.json).")
    network = _from_bundle(definitions[0])
    network["call"] = "pair" if network["class"].endswith(".VoxelMorph") else "concatenated"
    metadata = _json(folder / "configs" / "metadata.json") if (folder / "configs" / "metadata.json").is_file() else {}
    values: dict[str, Any] = {"title": metadata.get("name", folder.name), "network": network}
    inputs = list(metadata.get("network_data_format", {}).get("inputs", {}).values())
    size = inputs[0].get("spatial_shape") if inputs else None
    if size and all(isinstance(n, int) for n in size):
        values["canvas"] = {"size": size[::-1], "spacing_mm": [1.0, 1.0, 1.0]}
    for key, card_key in (("description", "intended_use"), ("data_source", "data"), ("copyright", "licence")):
        if value := metadata.get(key):
            values[card_key] = value
    return Draft(_with_defaults(values, folder.name), folder / "models" / "model.pt")


def unigradicon(source: Path | None) -> Draft:
    """uniGradICON's own network at its own canvas. source: its weights; by default where the package keeps them."""
    path = source or UNIGRADICON
    if not path.is_file():
        raise BadInputError(
            f"The weights of uniGradICON are not at {path}; download Step_2_final.trch (about 280 MB) from {RELEASES}, "
            "and give the file: import-model unigradicon FILE."
        )
    values = {
        "title": "uniGradICON, a foundation model for registration",
        "reference": "Tian et al. 2024, arXiv 2403.05780",
        "licence": "as at " + RELEASES,
        "network": {
            **icon_steps(),
            "call": "icon",
            "gives": "coordinates",
            "units": "unit",
            "stages": {
                "quarter": {"module": "netPhi.netPhi.net.netPhi.net.net.downConvs.1", "cells": "corners"},
                "half": {"module": "netPhi.netPhi.net.netPsi.net.downConvs.2", "cells": "corners"},
                "full": {"module": "netPsi.net.downConvs.3", "cells": "corners"},
            },
        },
        "canvas": {"size": [175, 175, 175], "fits": "image"},
        "alignment": "stretched",
        "intensities": "upper-percentile",
    }
    return Draft(_with_defaults(values, "unigradicon"), path)


def icon_steps(channels: list[list[int]] | None = None) -> dict[str, Any]:
    """The class and options of the network of GradICON and uniGradICON: a U-Net at a quarter, at half, and twice at the
    full resolution."""
    wrappers, widths = "icon_registration.network_wrappers.", channels or UNET

    def module(name: str, **options: Any) -> dict[str, Any]:
        return {"class": wrappers + name, "options": options}

    def unet() -> dict[str, Any]:
        options = {"num_layers": len(widths[1]), "channels": deepcopy(widths), "dimension": 3}
        return module("FunctionFromVectorField", net={"class": "icon_registration.networks.UNet2", "options": options})

    coarse = unet()
    for _ in range(2):
        lower = module("DownsampleRegistration", net=coarse, dimension=3)
        coarse = module("TwoStepRegistration", netPhi=lower, netPsi=unet())
    return module("TwoStepRegistration", netPhi=coarse, netPsi=unet())


DRAFTS: dict[str, Callable[[Path | None], Draft]] = {
    "card": card,
    "voxelmorph": voxelmorph,
    "monai": monai,
    "unigradicon": unigradicon,
}


def _required(source: Path | None, usage: str) -> Path:
    if source is None or not source.exists():
        raise BadInputError(f"There is nothing to import at {source}; give it as in: regexplain import-model {usage}.")
    return source


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInputError(f"{path} cannot be read as JSON ({error}); check it.") from error


def _with_defaults(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """With what every card has."""
    return {
        "card_version": 1,
        "name": name,
        "title": name,
        "domain": DOMAIN,
        "alignment": "affine",
        "intensities": "min-max",
        **values,
        "network": {"type": TYPE, **values["network"]},
    }


def _from_bundle(definition: Any) -> dict[str, Any]:
    """MONAI's `_target_` and arguments as a class and options. Raises BadInputError for expressions, which are code."""
    if not isinstance(definition, Mapping) or "_target_" not in definition:
        raise BadInputError("The bundle's network_def names no class (_target_); write a card for it instead.")
    target = str(definition["_target_"])
    options = {key: _plain(value) for key, value in definition.items() if not key.startswith("_")}
    return {"class": target if "." in target else NETS + target, "options": options}


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("$", "@", "%")):
        raise BadInputError(
            f"The bundle's network_def holds an expression ({value}), which is code and is not run; write the value in "
            "its place."
        )
    return _from_bundle(value) if isinstance(value, Mapping) and "_target_" in value else value
