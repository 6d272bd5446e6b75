"""A result in sentences: what moved, how far, how well, and how the tables are to be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .formatting import millimetres, percent

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
MIN_PAST_SHARE = 0.01  # of the motion: less is rounding on the way between grids
NO_ESTIMATE = {
    "flat": "is flat",
    "missing": "is missing in the moving image",
    "outside": "lies outside one of the images",
}
MIN_MENTIONED_SHARE = 0.01  # of the tissue
CHANGES_MEASURED = (  # benchmarks/changes.py ../shared/data
    "Of 12 lesions that experts outlined as new or changed in one patient, half of them below 0.05 ml, it marked 2; of "
    "the 4 places that it marked, 1 was not outlined. Its limits were set with that patient in sight."
)
CHANGES_DRAWN = (  # benchmarks/changes.py ../shared/data
    "Of 28 lesions in the FLAIR of two patients, which T1 hardly shows, it marked 2 when the FLAIR was drawn from the "
    "T1; of the 17 places that it marked, 12 were not outlined, most of them ventricles that were drawn too bright."
)


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


def folding_sentence(record: Mapping[str, Any]) -> str:
    share = record["jacobian"]["share_folded"]
    return f"{percent(share)} of the image folds over itself." if share else "No part of the image folds over itself."


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


def contrasts_sentence(trust: Mapping[str, Any]) -> str:
    """What the network takes the two images for."""
    phrases = [
        f"the {role} image for {name} ({100 * trust['certainty'][role]:.0f} % certain)"
        for role, name in trust["modalities"].items()
    ]
    return f"The network takes {' and '.join(phrases)}."
