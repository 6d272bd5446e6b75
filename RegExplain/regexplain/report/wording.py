"""A result in sentences: its headline, its measures and its pictures' captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ALIGNMENTS = {
    "centre": "the images' centres laid on each other",
    "affine": "affine registration",
    "given": "the transform that was given",
}
STAGES = {
    "encoder-fixed": "encoder on the fixed image",
    "encoder-moving": "encoder on the moving image",
    "decoder": "decoder",
}


def headline(record: Mapping[str, Any]) -> list[str]:
    """The answer first: what moved, how far and how well, a sentence each."""
    return [*moved(record), *most_moved(record), overlap(record), folded(record)]


def moved(record: Mapping[str, Any]) -> list[str]:
    if record["kind"] == "affine":
        turn, shift, scale = (record["alignment"][name] for name in ("rotation_deg", "translation_mm", "scale"))
        return [
            "The moving image was aligned as a whole and not deformed.",
            f"It was turned by {turn:.1f}°, shifted by {millimetres(shift)} and scaled by {scale:.2f}.",
        ]
    lengths = record["displacement_mm"]
    mean, most = millimetres(lengths["mean"]), millimetres(lengths["max"])
    return [f"Beyond the alignment, the moving image was deformed by {mean} on average and {most} at most."]


def most_moved(record: Mapping[str, Any]) -> list[str]:
    if record["kind"] == "affine" or len(record["segments"]) < 2:
        return []
    most = max(record["segments"], key=lambda segment: segment["displacement_mm"]["mean"])
    distance = millimetres(most["displacement_mm"]["mean"])
    return [f"Of the segments, number {most['label']} moved most: {distance} on average."]


def overlap(record: Mapping[str, Any]) -> str:
    dice = record["dice"]
    if dice is None:
        return "The overlap is unknown, as there are not segmentations of both images."
    change = dice["after"] - dice["before"]
    verb = "stayed at" if abs(change) < 0.005 else "rose to" if change > 0 else "fell to"
    return f"The overlap of the segments (Dice) was {dice['before']:.2f} and {verb} {dice['after']:.2f}."


def folded(record: Mapping[str, Any]) -> str:
    share = record["jacobian"]["share_folded"]
    return f"{percent(share)} of the image folds over itself." if share else "No part of the image folds over itself."


def measures(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures at a glance: a name, the figure, what else is known of it, and how to read it."""
    shown = []
    if record["dice"] is not None:
        dice = record["dice"]
        shown.append(
            {
                "name": "Overlap (Dice)",
                "figure": f"{dice['before']:.2f} → {dice['after']:.2f}",
                "detail": f"{dice['aligned']:.2f} after the alignment alone",
                "reading": "1: the segments coincide. 0: they do not touch.",
            }
        )
    if record["kind"] != "affine":
        shown.append(
            {
                "name": "Deformation",
                **spread(record["displacement_mm"]),
                "reading": "How far tissue was moved on average, beyond the alignment.",
            }
        )
    shown.append(
        {
            "name": "Folded over",
            "figure": percent(record["jacobian"]["share_folded"]),
            "detail": f"smallest Jacobian determinant {record['jacobian']['min']:.2f}",
            "reading": "Tissue cannot fold: do not trust the result where it does.",
        }
    )
    shown.append(
        {
            "name": "There and back",
            **spread(record["inverse_consistency_mm"]),
            "reading": "How far a point ends from itself after the transform and its inverse, on average.",
        }
    )
    return shown


def spread(values: Mapping[str, float]) -> dict[str, str]:
    detail = f"95 % within {millimetres(values['p95'])}, at most {millimetres(values['max'])}"
    return {"figure": millimetres(values["mean"]), "detail": detail}


def millimetres(value: float) -> str:
    if 0 < value < 0.01:
        return "< 0.01 mm"
    return f"{value:.2f} mm" if value < 10 else f"{value:.1f} mm"


def percent(share: float) -> str:
    """A share in per cent; as with millimetres, what is small but not zero never reads as zero."""
    if 0 < share < 1e-4:
        return "< 0.01 %"
    return f"{100 * share:.2f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def stage(name: str) -> str:
    return STAGES.get(name, words(name).lower())


def words(name: str) -> str:
    """`intended_use` as a heading: "Intended use"."""
    return name.replace("_", " ").replace("-", " ").capitalize()


CAPTIONS = {
    "overview": "The fixed image, the moving image as it was, and the moving image after the registration.",
    "outlines": "The segmentation of the fixed image (red) and the registered one of the moving image (gold): "
    "where the registration is good they coincide.",
    "glyphs-slice": "Arrows from points of the fixed image to where the registration found their tissue in the aligned "
    "moving image; colours are millimetres.",
    "glyphs-3d": "The same arrows in space, with the axial slice.",
}


def caption(stem: str, record: Mapping[str, Any]) -> str:
    """One sentence about the picture of that file name."""
    for heatmap in record["heatmaps"]:
        if stem == f"heatmap-{heatmap['stage']}":
            what = f"Grad-CAM of the {stage(heatmap['stage'])} (region explained: {heatmap['region']})"
            return f"{what}: warm colours drive the region's displacement up, cool ones hold it down."
    for item in record["components"]["items"] if record["components"] else []:
        if stem == f"animation-component-{item['index']:02d}":
            return f"What component {item['index']} does: the fixed segmentation as it is (red) and warped (gold)."
    return CAPTIONS.get(stem, words(stem) + ".")
