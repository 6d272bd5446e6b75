"""The part of a card that says how to ask a network of another framework, and what its answer means.

    "network": {"type": "external", "class": "monai.networks.nets.LocalNet", "options": {…}, "call": "concatenated", …}

class, options   the network's class by its dotted path, and what its constructor takes; a network in these in turn
call             how it is asked, see CALLS
order            which image it takes first
gives            the displacement of fixed points, or the coordinates of the moving points that they come from
units            voxels of the network's grid; unit: [0, 1] and normalised: [-1, 1], from the centre of the first
                 voxel to that of the last; mm
components       array: channel i moves along array axis i; reversed: the first channel along the last axis
axes             where the network's array axes point, as MONAI's axcodes: "SPL" (the default) is what SimpleITK gives
                 of an image in LPS order, "RAS" what nibabel gives of one in RAS order
stages           what heatmaps explain: {name: {"module": path, "image": "fixed", "cells": "centred"}}; see CELLS
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadInputError

TYPE = "external"
CALLS = {  # each a file in torch_backend/external/calls
    "pair": "network(first, second)",
    "concatenated": "network of both images as two channels",
    "icon": "phi = network(first, second), then phi(identity map)",
    "velocity": "network(first, second), a stationary velocity, which is then integrated",
}
CHOICES = {  # the first is the default
    "order": ("moving-fixed", "fixed-moving"),
    "gives": ("displacement", "coordinates"),
    "units": ("voxels", "unit", "normalised", "mm"),
    "components": ("array", "reversed"),
}
AXES = "SPL"
OPPOSITE = dict(zip("SIPALR", "ISAPRL", strict=True))
IMAGES = ("fixed", "moving")
CELLS = ("centred", "corners")  # the cells span the canvas; or the first one's centre is the first voxel's


def is_external(network: Mapping[str, Any]) -> bool:
    return network.get("type") == TYPE


def convention(network: Mapping[str, Any]) -> dict[str, str]:
    """`call`, CHOICES and `axes` with their defaults. Raises BadInputError for what none of these can be."""
    values = {"call": network.get("call", "pair"), "axes": str(network.get("axes", AXES)).upper()}
    values |= {key: network.get(key, choices[0]) for key, choices in CHOICES.items()}
    for key, allowed in {"call": tuple(CALLS), **CHOICES}.items():
        if values[key] not in allowed:
            raise BadInputError(f"The card's {key!r} is {values[key]!r}; it can be {', '.join(allowed)}.")
    axes = values["axes"]
    if {min(letter, OPPOSITE.get(letter, letter)) for letter in axes} != set("IAL") or len(axes) != 3:
        raise BadInputError(f"The card's 'axes' are {axes!r}; give three letters such as SPL or RAS.")
    return values


def stages(network: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By name: the path of the module, the image that it lies on, where its cells do. Raises BadInputError."""
    stages_by_name = {}
    for name, place in network.get("stages", {}).items():
        full = {"image": IMAGES[0], "cells": CELLS[0], **place}
        if not full.get("module") or full["image"] not in IMAGES or full["cells"] not in CELLS:
            raise BadInputError(
                f"The card's stage {name!r} needs the path of a module, an image ({' or '.join(IMAGES)}) and where its "
                f"cells lie ({' or '.join(CELLS)})."
            )
        stages_by_name[name] = full
    return stages_by_name


def packages(network: Mapping[str, Any]) -> list[str]:
    """The Python packages whose classes a network on a card, and those in its options, are of."""
    package = str(network.get("class", "")).partition(".")[0]
    inner = [value for value in network.get("options", {}).values() if isinstance(value, Mapping) and "class" in value]
    return list(dict.fromkeys([package, *(name for value in inner for name in packages(value))]))
