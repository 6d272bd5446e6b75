"""What pictures and heatmaps show, and what their colours say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..cards.heatmap_names import DEFAULT_METHOD, METHODS, heatmap_name
from ..cards.stages import component_of, default_scalar, describe_stage
from .formatting import heading

DIRECTIONS = {"left": "right", "posterior": "anterior", "superior": "inferior"}  # of a signed scalar → its opposite
EFFECTS = {
    "magnitude": "warm colours drive the region's displacement up, cool ones hold it down",
    "synthesis": "warm colours bring the synthesised region nearer to the real one, cool ones take it away from it",
    "realness": "warm colours make the region pass for real, cool ones for synthetic",
}
CAPTIONS = {
    "overview": "The fixed image, the moving image as it was, and the moving image after the registration.",
    "outlines": "The segmentation of the fixed image (red) and the registered one of the moving image (gold): "
    "where the registration is good they coincide.",
    "glyphs-slice": "Arrows from points of the fixed image to where the registration found their tissue in the aligned "
    "moving image; colours are millimetres.",
    "glyphs-3d": "The same arrows in space, with the axial slice.",
    "animation-registration": "The fixed segmentation as it is (red), and where the registration found its tissue in "
    "the aligned moving image (gold).",
    "displacement": "How far the tissue of the fixed image was moved beyond the alignment, in millimetres.",
    "jacobian": "The volume that a piece of the fixed image has in the moving one: red grows, blue shrinks, white "
    "stays as it is, yellow is turned inside out.",
    "inverse-consistency": "How far a point ends from itself after the transform and its inverse, in millimetres.",
    "changes": "Where the moving image is brighter (warm) or darker (cool) than misplacement and noise explain, in "
    "standard deviations of the noise.",
    "landmarks": "The landmark that is furthest off: the ball is where it should be, the line begins where the "
    "registration carries its counterpart. On the fixed image.",
    "landmarks-moving": "The same on the moving image: the line begins where the registration carries the landmark of "
    "the fixed image.",
    "error-expected": "How far the registration is expected to be wrong, in mm; clear where there is no estimate.",
    "error-bound90": "What nine errors of ten are expected to stay below, in mm; clear where there is no estimate.",
    "error-doubt": "What the estimate in the worst place is based on: warm colours raised it, cool ones lowered it.",
    "trust-symmetry": "Where the forward and the backward map disagree, in millimetres.",
    "trust-homogeneity-fixed": "Where the network's judge sees the fixed image and its copy made from the moving one "
    "differently.",
    "trust-homogeneity-moving": "Where the network's judge sees the moving image and its copy made from the fixed one "
    "differently.",
}


def method_name(heatmap: Mapping[str, Any]) -> str:
    """ "HiResCAM", as people call what made a heatmap."""
    name = heatmap.get("method", DEFAULT_METHOD)
    return METHODS.get(name, heading(name))


def effect(heatmap: Mapping[str, Any]) -> str:
    """What warm and cool colours of a network's heatmap say."""
    scalar = scalar_of(heatmap)
    if scalar in DIRECTIONS:
        return f"warm colours drive the region towards {scalar}, cool ones towards {DIRECTIONS[scalar]}"
    return EFFECTS.get(scalar, EFFECTS["magnitude"])


def scalar_of(heatmap: Mapping[str, Any]) -> str:
    return heatmap.get("scalar", default_scalar(heatmap["stage"]))


def heatmap_settings(heatmap: Mapping[str, Any]) -> str:
    """How a heatmap differs from the usual ones: " (HiResCAM, towards left)"; nothing for a usual one."""
    settings = method_name(heatmap) * (heatmap.get("method", DEFAULT_METHOD) != DEFAULT_METHOD) + direction_suffix(
        heatmap
    )
    return f" ({settings.removeprefix(', ')})" if settings else ""


def direction_suffix(heatmap: Mapping[str, Any]) -> str:
    """ " ", towards left" for a signed scalar; nothing for the usual one."""
    scalar = scalar_of(heatmap)
    return f", towards {scalar}" if scalar in DIRECTIONS else ""


def caption(stem: str, record: Mapping[str, Any]) -> str:
    """One sentence about the picture of that file name."""
    for heatmap in record["heatmaps"]:
        if stem == f"heatmap-{heatmap_name(heatmap)}":
            if component_of(heatmap["stage"]) is not None:
                what = f"What makes the coordinate along {describe_stage(heatmap['stage'])} large"
                return f"{what}: warm colours raise it, cool ones lower it."
            stage, region = describe_stage(heatmap["stage"]), heatmap["region"]
            what = f"{method_name(heatmap)} of the {stage} (region explained: {region})"
            return f"{what}: {effect(heatmap)}."
    for item in record["components"]["items"] if record["components"] else []:
        if stem == f"animation-component-{item['index']:02d}":
            return f"What component {item['index']} does: the fixed segmentation as it is (red) and moved (gold)."
    decomposition = record.get("decomposition") or {"parts": []}
    for number, part in enumerate(decomposition["parts"], start=1):
        if stem == f"animation-part-{number:02d}":
            return f"Component {part['component']} here: the fixed segmentation as it is (red) and moved by it (gold)."
    text = CAPTIONS.get(stem, heading(stem) + ".")
    return text.replace("the registration", "the transform") if record.get("transform") else text


def view_caption(view: Mapping[str, Any]) -> str:
    """Which view it was, and what it showed."""
    contents = [*filter(None, [view["image"]]), *view["layers"]]
    return f"{view['name']}: {', '.join(contents) or 'nothing of this result'}."
