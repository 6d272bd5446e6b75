"""Whether a result can be relied on, by its own figures: a sentence for each check, and one for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..cards.stages import describe_stage
from .formatting import millimetres, percent
from .sentences import all_warnings, first_step
from .table_rows import indicator_row

LOW_DICE = 0.5  # below it more of the two segments lies apart than together
SAME_DICE = 0.005  # two figures that print alike
LARGE_ERROR_SHARE, HUGE_ERROR_SHARE = 0.08, 0.25  # of the tissue with an estimate: above 3 mm
MISSING_SHARE, MUCH_MISSING_SHARE = 0.005, 0.1  # of the tissue
MIN_DIFFERING_ML = 1.5
NO_BETTER_MIRRORED = {"gradients": -0.009, "information": -0.015}  # more than both: no better than mirrored
LARGE_GHOSTING = 0.025  # of the head's brightness: what the ACR's test of MR scanners allows
MUCH_FOLDED_SHARE = 0.01
LARGE_AIR_SHARE = 0.5  # of a heatmap: then most of it says nothing of the anatomy
MARKS = {"ok": "✓", "unusual": "~", "look": "!", "stop": "✗", "unknown": "?"}
SEVERITY = {"ok": 0, "unknown": 0, "unusual": 0, "look": 1, "stop": 2}
VERDICTS = {"ok": "nothing stands out", "look": "look here", "stop": "do not use"}  # by the worst state of all checks


@dataclass(frozen=True)
class Check:
    """state: "ok", "look" (it stands out), "stop" (so much that the result is not to be used), "unusual" (as one
    ordinary pair of ten or twenty is, so that alone it says little) or "unknown" (it was not, or cannot be, measured).
    sentence: for people."""

    name: str
    state: str
    sentence: str

    @property
    def mark(self) -> str:
        return MARKS[self.state]


def checks(record: Mapping[str, Any], voxel_mm: float | None = None, two_contrasts: bool = False) -> list[Check]:
    """Of a `result.json`. voxel_mm: the fixed image's smallest voxel side, for older results that do not hold it.

    two_contrasts: whether the model can measure the three indicators of trust.
    """
    content = _content_check(record)
    rows = [*_error(record.get("error")), _overlap(record), _folding(record["jacobian"])]
    rows.append(_inverse_consistency(record, record.get("voxel_mm", voxel_mm)))
    rows = [
        *content,
        *_ghosting(record.get("ghosting")),
        *rows,
        *_counterparts(record.get("counterparts")),
        *_left_and_right(record.get("mirroring")),
    ]
    if record["model"] is not None:
        rows = [_domain(record["model"], content), _population(record.get("population")), *rows]
        if record["model"].get("better") is not None:
            rows.insert(2, _deformation(record["model"]["better"]))
    trust = record.get("trust")
    if trust:
        rows += [_indicator(row) for row in trust["indicators"]]
    elif two_contrasts:
        rows.append(
            Check("Trust indicators", "unknown", "Not measured yet: Trust in the panel, or `regexplain trust`, does.")
        )
    rows += _heat_in_air(record.get("heatmaps", ()))
    warnings = unaccounted_warnings(record)
    if warnings and worst_state(rows)[0] == "ok":
        rows.append(Check("Warnings", "look", f"Warnings were given: {len(warnings)}. Read them first."))
    return rows


def verdict(rows: Sequence[Check]) -> str:
    """What the checks say together, in a sentence: never that the registration is right, which no check can show."""
    worst, decisive = worst_state(rows)
    unknown = sum(check.state == "unknown" for check in rows)
    if worst == "ok":
        rest = f", and {unknown} could not be made" if unknown else ""
        sentence = f"Nothing stands out in {len(rows) - unknown} checks{rest}"
        return f"{sentence}; look at the outlines and arrows before you rely on it."
    names = [check.name.lower() for check in decisive]
    listed = ", ".join(names[:-1]) + " and " * (len(names) > 1) + names[-1]
    if worst == "stop":
        speak = "speak" if len(names) > 1 else "speaks"
        return f"Do not use this registration: {len(names)} of {len(rows)} checks {speak} against it ({listed})."
    stand = "stand out" if len(names) > 1 else "stands out"
    return f"Look here before you rely on it: {len(names)} of {len(rows)} checks {stand} ({listed})."


def unaccounted_warnings(record: Mapping[str, Any]) -> list[str]:
    """Those that no check stands for: what was left out does no harm to what was kept, and the last warnings of trust
    are those of unusual indicators."""
    trust = record.get("trust") or {"indicators": [], "warnings": []}
    unusual = sum(row["state"] == "unusual" for row in trust["indicators"])
    accounted = {*record.get("fallbacks", ()), *trust["warnings"][len(trust["warnings"]) - unusual :]}
    return [warning for warning in all_warnings(record) if warning not in accounted]


def worst_state(rows: Sequence[Check]) -> tuple[str, list[Check]]:
    """The worst state, "ok", "look" or "stop", and the checks that have it."""
    worst = max((check.state for check in rows), key=SEVERITY.__getitem__, default="ok")
    worst = "ok" if SEVERITY[worst] == 0 else worst
    return worst, [check for check in rows if check.state == worst]


def verdict_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict's part of result.json, of the rest of it."""
    worst, decisive = worst_state(checks(record))
    return {"name": VERDICTS[worst], "because": [check.name for check in decisive if worst != "ok"]}


def _error(error: Mapping[str, Any] | None) -> list[Check]:
    """Rows where the error was estimated."""
    if not error:
        return []
    return [_expected(error), *_missing(error["not_told"]["missing"])]


def _expected(error: Mapping[str, Any]) -> Check:
    name, mean = "Expected error", millimetres(error["expected_mm"]["mean"])
    if not error["place"]:
        return Check(name, "unknown", "These images have nothing to estimate it from.")
    share, bound = percent(error["share_above_3mm"]), millimetres(error["bound90_mm"]["mean"])
    words = f"{mean} on average, nine of ten below {bound}; above 3 mm in {share} of the tissue with an estimate"
    if not error.get("measured", True):
        return Check(name, "unknown", f"{words}: a hint of where to look, as it was measured on heads alone.")
    state = state_of(error["share_above_3mm"], LARGE_ERROR_SHARE, HUGE_ERROR_SHARE)
    return Check(name, state, f"{words}." if state == "ok" else f"{words}, most in {error['place']}.")


def _missing(share: float) -> list[Check]:
    """A row where tissue is missing."""
    state = state_of(share, MISSING_SHARE, MUCH_MISSING_SHARE)
    if state == "ok":
        return []
    words = "of the fixed image's tissue has nothing but air where it lies in the moving image"
    return [Check("Missing tissue", state, f"{percent(share)} {words}.")]


def state_of(value: float, look: float, stop: float) -> str:
    """The state of a figure of which more is worse."""
    return "stop" if value > stop else "look" if value > look else "ok"


def _counterparts(counterparts: Mapping[str, Any] | None) -> list[Check]:
    """A row where a network segmented the fixed image."""
    if not counterparts:
        return []
    name, ml = "Counterparts", counterparts["largest_ml"]
    if ml <= MIN_DIFFERING_ML:
        return [Check(name, "ok", "Nowhere does tissue look as its kind does nowhere else in the moving image.")]
    kind = "brighter" if counterparts["deviation_sd"] > 0 else "darker"
    place = f", most in the {counterparts['place']}," if counterparts["place"] else ""
    words = (
        f"{ml:.0f} ml of tissue{place} are {kind} in the moving image than such tissue elsewhere: something may be "
        "there in one image alone, or they do not lie on each other there."
    )
    return [Check(name, "look", words)]


def _left_and_right(gain: Mapping[str, float] | None) -> list[Check]:
    """A row where it was tried. Both measures of similarity must agree.

    What is peculiar to one side of a head is so in all images of it: where it tells nothing, they may be of two.
    """
    if not gain:
        return []
    name = "Left and right"
    if min(gain.values()) > 0:
        words = "The images would fit each other better with left and right of one of them exchanged"
        return [Check(name, "stop", f"{words}: check that neither was mirrored, as by a file without its header.")]
    if all(gain[measure] > least for measure, least in NO_BETTER_MIRRORED.items()):
        words = "The images fit each other hardly better as they are than with left and right of one of them exchanged"
        return [Check(name, "look", f"{words}, as two patients' do: check whose they are.")]
    return [Check(name, "ok", "The images fit each other better as they are than with left and right exchanged.")]


def _content_check(record: Mapping[str, Any]) -> list[Check]:
    """A row where a network judged the content of the two images."""
    content, model = record.get("content"), record["model"]
    if not content:
        return []
    outside = [role for role in ("fixed", "moving") if content[role]]
    if not outside:
        return [Check("Content", "ok", f"Both images show what {content['model']} was made for.")]
    reasons = " and ".join(f"the {role} image {content[role]}" for role in outside)
    words = f"As {content['model']} sees it, {reasons}."
    model_used = model is not None and model["name"] == content["model"]  # as it was asked for by its name
    return [Check("Content", "look" if model_used else "unknown", words)]  # another model may well be made for it


def _ghosting(ratios: Mapping[str, float | None] | None) -> list[Check]:
    """A row where it was measured in an image."""
    measured = {role: ratio for role, ratio in (ratios or {}).items() if ratio is not None}
    if not measured:
        return []
    role, ratio = max(measured.items(), key=lambda item: item[1])
    if ratio <= LARGE_GHOSTING:
        return [
            Check("Ghosting", "ok", "The air beside the head shows no ghosts, as motion during a scan leaves them.")
        ]
    words = f"ghosts of the head lie in the air beside it, {percent(ratio)} as bright as it is"
    advice = "The patient may have moved during that scan: look at its quality."
    return [Check("Ghosting", "look", f"In the {role} image {words}. {advice}")]


def _overlap(record: Mapping[str, Any]) -> Check:
    name, dice = "Overlap", record["dice"]
    if dice is None:
        return Check(name, "unknown", "There are not segmentations of both images to compare.")
    after, stages = dice["after"], {"before": "before anything was moved"}
    if record["kind"] != "affine":
        stages = {"aligned": f"after {first_step(record)} alone"} | stages
    for stage, words in stages.items():
        if after < dice[stage] - SAME_DICE:
            less = f"The segments overlap less than {words}: Dice {after:.2f}, not {dice[stage]:.2f}."
            return Check(name, "look", less)
    if after < LOW_DICE:
        return Check(name, "look", f"The segments still lie more apart than together (Dice {after:.2f}).")
    first = next(iter(stages.values()))
    return Check(name, "ok", f"The segments overlap at least as well as {first} (Dice {after:.2f}).")


def _folding(jacobian: Mapping[str, float]) -> Check:
    share = jacobian["share_folded"]
    if share:
        words = f"{percent(share)} of the image is turned inside out, as no tissue can be."
        return Check("Folding", state_of(share, 0, MUCH_FOLDED_SHARE), words)
    return Check("Folding", "ok", "Nowhere is tissue turned inside out.")


def _inverse_consistency(record: Mapping[str, Any], voxel_mm: float | None) -> Check:
    name, p95 = "There and back", record["inverse_consistency_mm"]["p95"]
    back = f"95 % of all points come back to within {millimetres(p95)} of themselves"
    if voxel_mm is None:
        return Check(name, "unknown", f"{back}.")
    if p95 > voxel_mm:
        return Check(name, "look", f"{back}, which is more than a voxel ({millimetres(voxel_mm)}).")
    return Check(name, "ok", f"{back}, less than a voxel.")


def _domain(model: Mapping[str, Any], content: Sequence[Check]) -> Check:
    """Of what the check of the content does not speak of: the images' size, voxel size and values."""
    if model["inside_domain"] or any(check.state == "look" for check in content):
        return Check("Model", "ok", f"{model['name']} was made for images of this size and voxel size.")
    return Check("Model", "stop", f"{model['name']} was not made for these images.")


def _deformation(better: bool) -> Check:
    """better: the images are no less alike after it than after the alignment alone; absent from older results."""
    if better:
        return Check("Deformation", "ok", "The images are at least as alike as after the alignment alone.")
    return Check("Deformation", "stop", "It is worse than the alignment alone: the images are less alike after it.")


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
    share, stage = percent(worst["air_share"]), describe_stage(worst["stage"])
    words = f"{share} of the heat of the {stage} lies in air, where there is no anatomy to go by."
    return [Check("Heat in air", "look", words)]


def _indicator(indicator: Mapping[str, Any]) -> Check:
    row = indicator_row(indicator)
    state = indicator["state"] if indicator["state"] in ("ok", "unusual") else "unknown"
    usual = f" (usual: {row['usual']})" if row["usual"] else ""
    return Check(row["name"], state, f"{row['figure']}{usual}: {row['verdict']}.")
