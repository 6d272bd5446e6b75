"""Whether a result can be relied on, as far as its own figures tell: each check in a sentence, and all in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cards.stages import describe_stage
from . import wording

LOW_DICE = 0.5  # below it more of the two segments lies apart than together
SAME_DICE = 0.005  # two figures that print alike
LARGE_ERROR_SHARE = 0.05  # of what can be told
LARGE_AIR_SHARE = 0.5  # of a heatmap: then most of it says nothing of the anatomy
MARKS = {"ok": "✓", "look": "!", "unknown": "?"}


@dataclass(frozen=True)
class Check:
    """state: "ok", "look" (it stands out) or "unknown" (it was not, or cannot be, measured). sentence: for people."""

    name: str
    state: str
    sentence: str

    @property
    def mark(self) -> str:
        return MARKS[self.state]


def checks(record: Mapping[str, Any], voxel_mm: float | None, two_contrasts: bool = False) -> list[Check]:
    """Of a `result.json`. voxel_mm: the fixed image's smallest voxel side, None where it is not known.

    two_contrasts: whether the model can measure the three indicators of trust.
    """
    found = [*_error(record.get("error")), _overlap(record), _folding(record["jacobian"])]
    found.append(_there_and_back(record, voxel_mm))
    if record["model"] is not None:
        found = [_domain(record["model"]), _population(record.get("population")), *found]
        if record["model"].get("better") is not None:
            found.insert(2, _deformation(record["model"]["better"]))
    trust = record.get("trust")
    if trust:
        found += [_indicator(row) for row in trust["indicators"]]
    elif two_contrasts:
        found.append(
            Check("Trust indicators", "unknown", "Not measured yet: Trust in the panel, or `regexplain trust`, does.")
        )
    found += _heat_in_air(record.get("heatmaps", ()))
    warnings = wording.all_warnings(record)
    if warnings and all(check.state != "look" for check in found):
        found.append(Check("Warnings", "look", f"Warnings were given: {len(warnings)}. Read them first."))
    return found


def verdict(found: Sequence[Check]) -> str:
    """What the checks say together: never that the registration is right, which none of them can tell."""
    standing_out = [check.name.lower() for check in found if check.state == "look"]
    unknown = sum(check.state == "unknown" for check in found)
    if standing_out:
        listed = ", ".join(standing_out[:-1]) + " and " * (len(standing_out) > 1) + standing_out[-1]
        stand = "stand out" if len(standing_out) > 1 else "stands out"
        return f"Look closely before you rely on it: {len(standing_out)} of {len(found)} checks {stand} ({listed})."
    rest = f", and {unknown} could not be made" if unknown else ""
    return f"None of the {len(found)} checks stands out{rest}; look at the outlines and arrows before you rely on it."


def _error(error: Mapping[str, Any] | None) -> list[Check]:
    """A row where the error was estimated."""
    if not error:
        return []
    name, mean = "Expected error", wording.millimetres(error["expected_mm"]["mean"])
    if not error["place"]:
        return [Check(name, "unknown", "There is nothing in these images that it could be told by.")]
    share, bound = wording.percent(error["share_above_3mm"]), wording.millimetres(error["bound90_mm"]["mean"])
    words = f"{mean} on average, nine of ten below {bound}; above 3 mm in {share} of what can be told."
    if error["share_above_3mm"] > LARGE_ERROR_SHARE:
        return [Check(name, "look", f"{words[:-1]}, most in {error['place']}.")]
    return [Check(name, "ok", words)]


def _overlap(record: Mapping[str, Any]) -> Check:
    name, dice = "Overlap", record["dice"]
    if dice is None:
        return Check(name, "unknown", "There are not segmentations of both images to compare.")
    after, stages = dice["after"], {"before": "before anything was moved"}
    if record["kind"] != "affine":
        stages = {"aligned": f"after {wording.first_step(record)} alone"} | stages
    for stage, words in stages.items():
        if after < dice[stage] - SAME_DICE:
            less = f"The segments overlap less than {words}: Dice {after:.2f}, not {dice[stage]:.2f}."
            return Check(name, "look", less)
    if after < LOW_DICE:
        return Check(name, "look", f"The segments still lie more apart than together (Dice {after:.2f}).")
    first = next(iter(stages.values()))
    return Check(name, "ok", f"The segments overlap at least as well as {first} (Dice {after:.2f}).")


def _folding(jacobian: Mapping[str, float]) -> Check:
    if jacobian["share_folded"]:
        share = wording.percent(jacobian["share_folded"])
        return Check("Folding", "look", f"{share} of the image is turned inside out, as no tissue can be.")
    return Check("Folding", "ok", "Nowhere is tissue turned inside out.")


def _there_and_back(record: Mapping[str, Any], voxel_mm: float | None) -> Check:
    name, p95 = "There and back", record["inverse_consistency_mm"]["p95"]
    back = f"95 % of all points come back to within {wording.millimetres(p95)} of themselves"
    if voxel_mm is None:
        return Check(name, "unknown", f"{back}.")
    if p95 > voxel_mm:
        return Check(name, "look", f"{back}, which is more than a voxel ({wording.millimetres(voxel_mm)}).")
    return Check(name, "ok", f"{back}, less than a voxel.")


def _domain(model: Mapping[str, Any]) -> Check:
    if model["inside_domain"]:
        return Check("Model", "ok", f"{model['name']} was made for images of this size and voxel size.")
    return Check("Model", "look", f"{model['name']} was not made for these images.")


def _deformation(better: bool) -> Check:
    """better: the images are no less alike after it than after the alignment alone; absent from older results."""
    if better:
        return Check("Deformation", "ok", "The images are at least as alike as after the alignment alone.")
    return Check("Deformation", "look", "It is worse than the alignment alone: the images are less alike after it.")


def _population(scores: Mapping[str, Any] | None) -> Check:
    name = "Training images"
    if not scores:
        return Check(name, "unknown", "This model has no record of its training images to compare these with.")
    atypical = [role for role, stand in scores.items() if stand["atypical"]]
    if atypical:
        images = f"The {' and the '.join(atypical)} image{'s are' if len(atypical) > 1 else ' is'}"
        return Check(name, "look", f"{images} unlike those that the model learnt from.")
    return Check(name, "ok", "Both images are like those that the model learnt from.")


def _heat_in_air(heatmaps: Sequence[Mapping[str, Any]]) -> list[Check]:
    """A row where a heatmap has much heat in air; none where no map has."""
    worst = max(heatmaps, key=lambda row: row.get("air_share", 0), default={})
    if worst.get("air_share", 0) < LARGE_AIR_SHARE:
        return []
    share, stage = wording.percent(worst["air_share"]), describe_stage(worst["stage"])
    words = f"{share} of the heat of the {stage} lies in air, where there is no anatomy to go by."
    return [Check("Heat in air", "look", words)]


def _indicator(found: Mapping[str, Any]) -> Check:
    row = wording.indicator_row(found)
    state = {"ok": "ok", "unusual": "look"}.get(found["state"], "unknown")
    usual = f" (usual: {row['usual']})" if row["usual"] else ""
    return Check(row["name"], state, f"{row['figure']}{usual}: {row['verdict']}.")
