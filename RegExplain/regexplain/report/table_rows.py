"""The rows of the report's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formatting import millimetres, percent
from .sentences import first_step

KINDS = {
    "translation": "Shift",
    "rotation": "Turn",
    "stretch": "Stretch and shear",
    "bending": "Bending, the rest",
}
INDICATORS = {
    "symmetry": (
        "Symmetry",
        "How far the forward and the backward map, each by itself, lie from what both say together.",
    ),
    "complementarity": (
        "Complementarity",
        "Correlation of what the network uses of the two images: 1 would be the same of both.",
    ),
    "homogeneity": (
        "Homogeneity",
        "How differently the network's judge sees the real images and those made from the other one; 0 is alike.",
    ),
}
STATES = {"ok": "as usual", "unusual": "unusual", "unknown": "no reference yet, compare with care"}


def metric_rows(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures at a glance: a name, the figure, what else is known of it, and how to read it."""
    figures = []
    if record["dice"] is not None:
        dice = record["dice"]
        figures.append(
            {
                "name": "Overlap (Dice)",
                "figure": f"{dice['before']:.2f} → {dice['after']:.2f}",
                "detail": ""  # nothing but the alignment was done
                if record["kind"] == "affine"
                else f"{dice['aligned']:.2f} after {first_step(record)} alone",
                "reading": "1: the segments coincide. 0: they do not touch.",
            }
        )
    if record["kind"] != "affine":
        figures.append(
            {
                "name": "Deformation",
                **length_figure(record["displacement_mm"]),
                "reading": f"How far tissue was moved on average, beyond {first_step(record)}.",
            }
        )
    figures.append(
        {
            "name": "Folded over",
            "figure": percent(record["jacobian"]["share_folded"]),
            "detail": f"smallest Jacobian determinant {record['jacobian']['min']:.2f}",
            "reading": "Tissue cannot fold: do not trust the result where it does.",
        }
    )
    figures.append(
        {
            "name": "There and back",
            **length_figure(record["inverse_consistency_mm"]),
            "reading": "How far a point ends from itself after the transform and its inverse"
            + (", which was found numerically, on average." if record.get("transform") else ", on average."),
        }
    )
    return figures


def length_figure(values: Mapping[str, float]) -> dict[str, str]:
    detail = f"95 % within {millimetres(values['p95'])}, at most {millimetres(values['max'])}"
    return {"figure": millimetres(values["mean"]), "detail": detail}


def region_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of what was moved where no segment was given: the structures that the network itself sees, the most moved
    first, and the whole image; none where nothing was deformed."""
    if record["kind"] == "affine" or record["segments"]:
        return []
    regions = sorted(record.get("regions", []), key=lambda row: -row["displacement_mm"]["mean"])
    return [*regions, {"name": "Whole image", "displacement_mm": record["displacement_mm"]}]


def motion_rows(transform: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row for each kind of motion in a transform made elsewhere."""
    place = transform["motion"]["bending_place"]
    rows = []
    for key, name in KINDS.items():
        phrase = transform["kinds"][key] or "nothing that could be seen"
        if key == "bending" and place and transform["kinds"][key]:
            phrase += f", most in {place}"
        share = percent(transform["motion"]["shares"][key]) if transform["kinds"][key] else "–"
        rows.append({"name": name, "words": phrase, "share": share})
    return rows


def indicator_row(indicator: Mapping[str, Any]) -> dict[str, str]:
    """A row about one: its name, figure, usual range, verdict, where it is worst, and how to read it."""
    name, reading = INDICATORS[indicator["name"]]
    show = millimetres if indicator["name"] == "symmetry" else "{:.2f}".format
    value, usual = indicator["value"], indicator["reference"]
    verdict = STATES[indicator["state"]]
    if value is None:
        verdict = "not defined for two images that are the same"
    return {
        "name": name,
        "figure": "–" if value is None else show(value),
        "usual": "" if usual is None else f"{show(usual['p5'])} to {show(usual['p95'])}",
        "verdict": verdict,
        "worst": "" if indicator["worst"] is None else f"{show(indicator['worst'])} in {indicator['place']}",
        "reading": reading,
    }


def most_moved_segment(segments: list[Mapping[str, Any]]) -> str:
    """The segment that a part moves most; nothing where there are fewer than two."""
    if len(segments) < 2:
        return ""
    most = max(segments, key=lambda segment: segment["moved_mm"]["mean"])
    mean, peak = (millimetres(most["moved_mm"][name]) for name in ("mean", "max"))
    return f"segment {most['label']}: {mean}, at most {peak}"


def landmark_scale(landmarks: Mapping[str, Any]) -> float:
    """The end of the plot of landmarks in mm: a round number that holds them all."""
    most = max(distance for pair in landmarks["pairs"] for distance in pair["distance_mm"].values())
    steps = (factor * 10.0**power for power in range(-1, 4) for factor in (1, 2, 5))
    return next((step for step in steps if step >= most), most)
