"""The stages that heatmaps explain, by name alone: which ones a network has, and what people call them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .external import is_external

STAGES = {  # type of a network, as on its card → its stages, in the order of the way through it
    "latent": ("encoder-fixed", "encoder-moving", "decoder"),
    "fire": (
        *("encoder-fixed", "encoder-moving"),
        *("affine-fixed", "affine-moving"),
        *("transformation-forward", "transformation-backward"),
        *("synthesis-fixed", "synthesis-moving"),
        *("discriminator-fixed", "discriminator-fixed-synthetic"),
        *("discriminator-moving", "discriminator-moving-synthetic"),
    ),
}
SYNTHESISED = tuple(stage for stage in STAGES["fire"] if stage.startswith(("synthesis", "discriminator")))
SCALARS = {"synthesis": "synthesis", "discriminator": "realness"}  # of parts that move nothing
MOTION_SCALAR = "magnitude"  # of all others, as a rule
SHARED = ("encoder", "transformation", "decoder")  # parts that every registration passes through

STAGE_NAMES = {
    "decoder": "decoder",
    "affine-fixed": "affine part on the fixed image",
    "affine-moving": "affine part on the moving image",
    "synthesis-fixed": "synthesis of the fixed image",
    "synthesis-moving": "synthesis of the moving image",
    "discriminator-fixed-synthetic": "discriminator on the synthetic fixed image",
    "discriminator-moving-synthetic": "discriminator on the synthetic moving image",
    "fixed": "fixed image",
    "moving": "moving image",
}
STAGE_PLACES = {
    "fixed": "on the fixed image",
    "moving": "on the moving image",
    "forward": "from the fixed to the moving image",
    "backward": "from the moving to the fixed image",
}


def stages_of(network: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of a network with these values on its card: without modalities it synthesises none and has no landmarks;
    one of another framework has those that its card names."""
    if is_external(network):
        return tuple(network.get("stages", ()))
    every = STAGES[network["type"]]
    if network.get("modalities", True):
        return every
    return tuple(stage for stage in every if stage not in SYNTHESISED and not stage.startswith("affine"))


def coordinate_stage(component: int, grid: str) -> str:
    """The stage name of the map of an image's coordinate along a component (from 1); grid: "fixed" or "moving"."""
    return f"component-{component:02d}-{grid}"


def component_of(stage: str) -> int | None:
    """The component whose coordinate a stage's map explains; None for the network's own stages."""
    match = re.fullmatch(r"component-(\d+)-(fixed|moving)", stage)
    return int(match[1]) if match else None


def default_scalar(stage: str) -> str:
    """The number that a stage explains where none is named."""
    return SCALARS.get(re.split(r"[-.]", stage)[0], MOTION_SCALAR)


def explained_together(stage: str, stages: Sequence[str]) -> list[str]:
    """Those of a network's stages whose maps come out of the pass that explains `stage`, for little more; it among
    them."""
    shared = [name for name in stages if name.partition("-")[0] in SHARED]
    return shared if stage in shared else [stage]


def describe_stage(stage: str) -> str:
    """ "encoder on the fixed image"; "component 3 in the fixed image" for a coordinate's map; a module by its path."""
    component, (part, _, place) = component_of(stage), stage.rpartition("-")
    if component is not None:
        return f"component {component} in the {place} image"
    return STAGE_NAMES.get(stage) or (f"{part} {STAGE_PLACES[place]}" if place in STAGE_PLACES else stage)


def module_titles(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What people choose a module by, by its path: its place in the tree, its channels and its size (x, y, z).

    rows: "modules" on the card of a network of another framework."""
    titles = {}
    for row in rows:
        *above, name = row["module"].split(".")
        size = " × ".join(map(str, row["size"]))
        titles[row["module"]] = f"{'   ' * len(above)}{name}: {row['channels']} × ({size})"
    return titles


def stage_title(stage: str) -> str:
    """The same, where a line begins with it."""
    words = describe_stage(stage)
    return words[:1].upper() + words[1:]
