"""A result in sentences: its headline, its measures and its pictures' captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..cards.heatmap_names import DEFAULT_METHOD, METHODS, heatmap_name
from ..cards.stages import component_of, default_scalar, describe_stage

ALIGNMENTS = {
    "centre": "the images' centres aligned",
    "stretched": "the images' boxes aligned, each side stretched",
    "headers": "as the scans' headers say",
    "masses": "the images' centres of mass aligned",
    "axes": "the images' principal axes aligned",
    "affine": "affine registration",
    "network": "the model's own affine part",
    "given": "the transform that was given",
    "nearest": "the affine motion nearest to the transform",
}
DIRECTIONS = {"left": "right", "posterior": "anterior", "superior": "inferior"}  # of a signed scalar → its opposite
EFFECTS = {
    "magnitude": "warm colours drive the region's displacement up, cool ones hold it down",
    "synthesis": "warm colours bring the synthesised region nearer to the real one, cool ones take it away from it",
    "realness": "warm colours make the region pass for real, cool ones for synthetic",
}
MIN_PAST_SHARE = 0.01  # of the motion: less is rounding on the way between grids


def kind(record: Mapping[str, Any]) -> str:
    """What the page is about."""
    if record.get("transform"):
        return "a transform made elsewhere"
    return "affine registration" if record["kind"] == "affine" else "deformable registration"


def first_step(record: Mapping[str, Any]) -> str:
    """What comes before the deformation."""
    return "the nearest affine motion" if record.get("transform") else "the alignment"


def all_warnings(record: Mapping[str, Any]) -> list[str]:
    """Of the registration, then of its expected error, indicators and landmarks."""
    parts = [record.get(name) or {"warnings": []} for name in ("error", "trust", "landmarks")]
    return [*record["warnings"], *(warning for part in parts for warning in part["warnings"])]


def headline(record: Mapping[str, Any]) -> list[str]:
    """The answer first: what moved, how far and how well, a sentence each."""
    first, *others = displacement_sentences(record)
    return [
        first,
        *expected_error_sentences(record),
        *others,
        *most_moved_sentence(record),
        overlap_sentence(record),
        *landmark_sentences(record),
        folding_sentence(record),
    ]


NO_ESTIMATE = {
    "flat": "is flat",
    "missing": "is missing in the moving image",
    "outside": "lies outside one of the images",
}
MIN_MENTIONED_SHARE = 0.01  # of the tissue


def expected_error_sentences(record: Mapping[str, Any]) -> list[str]:
    """How far the registration is expected to be wrong, and of how much of the tissue that cannot be estimated; empty
    where there is no error map."""
    error = record.get("error")
    if not error:
        return []
    shares = error["not_told"]
    unknown = [
        f"{percent(shares[key])} {words}" for key, words in NO_ESTIMATE.items() if shares[key] > MIN_MENTIONED_SHARE
    ]
    rest = f" Of the tissue, {', '.join(unknown)}: no estimate there." if unknown else ""
    if not error["place"]:
        return [f"The error cannot be estimated anywhere.{rest}"]
    mean, share = f"{error['expected_mm']['mean']:.1f} mm", error["share_above_3mm"]
    above = f"above 3 mm in {percent(share)} of the tissue with an estimate, most in {error['place']}"
    return [f"Expected error {mean} on average; {above if share else 'nowhere above 3 mm'}.{rest}"]


def displacement_sentences(record: Mapping[str, Any]) -> list[str]:
    if record.get("transform"):
        return transform_sentences(record)
    if record["kind"] == "affine":
        turn, shift, scale = (record["alignment"][name] for name in ("rotation_deg", "translation_mm", "scale"))
        if record["alignment"]["kind"] == "headers":
            return [
                "The moving image was left where the scans' headers put it, and not deformed.",
                *rejection_sentences(record),
            ]
        return [
            "The moving image was aligned as a whole and not deformed.",
            *rejection_sentences(record),
            f"It was turned by {turn:.1f}°, shifted by {millimetres(shift)} and scaled by {scale:.2f}.",
        ]
    lengths = record["displacement_mm"]
    mean, most = millimetres(lengths["mean"]), millimetres(lengths["max"])
    return [f"Beyond the alignment, the moving image was deformed by {mean} on average and {most} at most."]


def rejection_sentences(record: Mapping[str, Any]) -> list[str]:
    """Why there is no deformation though a model fitted, and what to do; nothing where none was left out."""
    model = record.get("not_kept")
    if model is None:
        return []
    return [
        f"The model {model} deformed it too, but the two images were less alike after that than after the alignment "
        "alone, so only the alignment was kept.",
        f"To see that deformation nevertheless, register again and choose {model} by its name (--model {model}).",
    ]


def transform_sentences(record: Mapping[str, Any]) -> list[str]:
    """Of a transform made elsewhere."""
    transform = record["transform"]
    shares = transform["motion"]["shares"]
    mainly = transform["kinds"][max(shares, key=shares.__getitem__)]
    first = f"From the fixed to the moving image, tissue {f'mainly {mainly}' if mainly else 'hardly moves'}."
    if record["kind"] == "affine":
        return [first, "The transform is affine: it moves the image as a whole."]
    mean, most = (millimetres(record["displacement_mm"][name]) for name in ("mean", "max"))
    return [first, f"Beyond the nearest affine motion it is deformed by {mean} on average and {most} at most."]


def transform_parts(transform: Mapping[str, Any]) -> str:
    """What the transform was, in a sentence."""
    parts = ", ".join(transform["parts"])
    if len(transform["parts"]) == 1:
        return f"The transform was made elsewhere (kind: {parts})."
    return f"The transform was made elsewhere. Its parts, in the order that a fixed point goes through them: {parts}."


KINDS = {
    "translation": "Shift",
    "rotation": "Turn",
    "stretch": "Stretch and shear",
    "bending": "Bending, the rest",
}


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


def most_moved_sentence(record: Mapping[str, Any]) -> list[str]:
    if record["kind"] == "affine" or len(record["segments"]) < 2:
        return []
    most = max(record["segments"], key=lambda segment: segment["displacement_mm"]["mean"])
    distance = millimetres(most["displacement_mm"]["mean"])
    which = most.get("name") or f"number {most['label']}"
    return [f"Of the segments, {which} moved most: {distance} on average."]


def overlap_sentence(record: Mapping[str, Any]) -> str:
    dice = record["dice"]
    if dice is None:
        return "The overlap is unknown, as there are not segmentations of both images."
    change = dice["after"] - dice["before"]
    verb = "stayed at" if abs(change) < 0.005 else "rose to" if change > 0 else "fell to"
    return f"The overlap of the segments (Dice) was {dice['before']:.2f} and {verb} {dice['after']:.2f}."


def landmark_sentences(record: Mapping[str, Any]) -> list[str]:
    """How far apart the landmarks lie, where there are any."""
    landmarks = record.get("landmarks")
    if not landmarks:
        return []
    step = "left_out" if "left_out" in landmarks["distance_mm"] else "after"  # one that was used proves nothing
    where = ", each where it was not used in refining" if step == "left_out" else ""
    before, now = (millimetres(landmarks["distance_mm"][name]["mean"]) for name in ("before", step))
    most = millimetres(landmarks["distance_mm"][step]["max"])
    if len(landmarks["pairs"]) == 1:
        return [f"The landmark was {before} from its counterpart and is now {now} from it{where}."]
    return [
        f"The {len(landmarks['pairs'])} landmarks were {before} from their counterparts on average and are now {now}, "
        f"{most} at most{where}."
    ]


def landmark_scale(landmarks: Mapping[str, Any]) -> float:
    """The end of the plot of landmarks in mm: a round number that holds them all."""
    most = max(distance for pair in landmarks["pairs"] for distance in pair["distance_mm"].values())
    steps = (factor * 10.0**power for power in range(-1, 4) for factor in (1, 2, 5))
    return next((step for step in steps if step >= most), most)


def folding_sentence(record: Mapping[str, Any]) -> str:
    share = record["jacobian"]["share_folded"]
    return f"{percent(share)} of the image folds over itself." if share else "No part of the image folds over itself."


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


def segments_note(record: Mapping[str, Any]) -> str:
    """What the table of segments shows, in a sentence."""
    sentences = []
    if record["dice"] is not None:
        sentences.append("Dice: 1 where the segments of the two images coincide, 0 where they do not touch.")
    if record["kind"] != "affine":
        beyond = first_step(record)
        sentences.append(f"Moved: the length of the displacement within the fixed segment, beyond {beyond}.")
    if record["segments"][0].get("jacobian"):
        sentences.append("Volume: of the segment's tissue in the moving image, over that in the fixed one.")
    return " ".join(sentences)


def region_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of what was moved where no segment was given: the structures that the network itself sees, the most moved
    first, and the whole image; none where nothing was deformed."""
    if record["kind"] == "affine" or record["segments"]:
        return []
    regions = sorted(record.get("regions", []), key=lambda row: -row["displacement_mm"]["mean"])
    return [*regions, {"name": "Whole image", "displacement_mm": record["displacement_mm"]}]


def regions_reading(record: Mapping[str, Any]) -> str:
    """Whose the regions are, and what the table shows."""
    beyond = f"Moved: the length of the displacement, beyond {first_step(record)}"
    advice = "For Dice and figures of your own structures register with segmentations."
    if not record.get("regions"):
        return f"{beyond}, the air about the body too. {advice}"
    return (
        f"Structures as {record['model']['name']} itself sees them in the fixed image, roughly and unchecked, the most "
        f"moved first. {beyond}; of the whole image the air about the body counts too. Volume: of the region's tissue "
        f"in the moving image, over that in the fixed one. {advice}"
    )


def decomposition_sentences(decomposition: Mapping[str, Any]) -> list[str]:
    """What the parts of a registration explain of it, a sentence each."""
    parts, count = decomposition["parts"], min(3, len(decomposition["parts"]))
    whole, remaining = decomposition["whole_mm"]["mean"], decomposition["remaining_mm"]
    first = "the first part alone" if count == 1 else f"the first {count} parts together"
    rest = millimetres(parts[count - 1]["remaining_mm"]["mean"])
    sentences = [
        f"Component {parts[0]['component']} moves {decomposition['anatomy']} most: "
        f"{millimetres(parts[0]['moved_mm']['mean'])} on average, {millimetres(parts[0]['moved_mm']['max'])} at most.",
        f"With {first}, {rest} of the registration's {millimetres(whole)} remain unexplained; "
        f"with all {decomposition['components']} components, "
        f"{millimetres(remaining['components']['mean'])}.",
    ]
    if remaining["latent"]["mean"] > MIN_PAST_SHARE * whole:
        sentences.append(
            f"{millimetres(remaining['latent']['mean'])} were moved past the latent space, by the network's skip "
            "connections or by refining this pair, so that no component can explain them."
        )
    if len(parts) > 1:
        difference = millimetres(decomposition["sum_of_parts_mm"]["mean"])
        sentences.append(
            f"Adding the motions of the {len(parts)} parts one by one differs from what they do together by "
            f"{difference}, because the decoder is not linear."
        )
    return sentences


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


def contrasts_sentence(trust: Mapping[str, Any]) -> str:
    """What the network takes the two images for."""
    phrases = [
        f"the {role} image for {name} ({100 * trust['certainty'][role]:.0f} % certain)"
        for role, name in trust["modalities"].items()
    ]
    return f"The network takes {' and '.join(phrases)}."


def most_moved_segment(segments: list[Mapping[str, Any]]) -> str:
    """The segment that a part moves most; nothing where there are fewer than two."""
    if len(segments) < 2:
        return ""
    most = max(segments, key=lambda segment: segment["moved_mm"]["mean"])
    mean, peak = (millimetres(most["moved_mm"][name]) for name in ("mean", "max"))
    return f"segment {most['label']}: {mean}, at most {peak}"


def millimetres(value: float) -> str:
    if 0 < value < 0.01:
        return "< 0.01 mm"
    return f"{value:.2f} mm" if value < 10 else f"{value:.1f} mm"


def join_sizes(numbers: Iterable[object]) -> str:
    """ "35 × 51 × 35"."""
    return " × ".join(map(str, numbers))


def percent(share: float) -> str:
    """A share in per cent; as with millimetres, what is small but not zero never reads as zero."""
    if 0 < share < 1e-4:
        return "< 0.01 %"
    return f"{100 * share:.2f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


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


def heading(name: str) -> str:
    """`intended_use` as a heading: "Intended use"."""
    return name.replace("_", " ").replace("-", " ").capitalize()


CHANGES_MEASURED = (  # benchmarks/changes.py ../shared/data
    "Of 12 lesions that experts outlined as new or changed in one patient, half of them below 0.05 ml, it marked 2; of "
    "the 4 places that it marked, 1 was not outlined. Its limits were set with that patient in sight."
)
CHANGES_DRAWN = (  # benchmarks/changes.py ../shared/data
    "Of 28 lesions in the FLAIR of two patients, which T1 hardly shows, it marked 2 when the FLAIR was drawn from the "
    "T1; of the 17 places that it marked, 12 were not outlined, most of them ventricles that were drawn too bright."
)
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
