"""Do the three indicators of `regexplain trust` notice failures, and does T's disagreement tell the error?

    python benchmarks/trust_failures.py ../shared/data [--model brain-t1-flair] [--pairs 12]

Ordinary pairs, T1 and FLAIR of one head in turn as fixed: visits of ms_mni at 2 mm, the moving image moved by a known
warp; native visits of ms_longitudinal as they are; made images of the label maps 13–16, moved by a known warp. Each is
then spoilt on purpose, one way at a time (FAILURES). Sensitivity is the share of the spoilt pairs that an indicator
calls unusual, or whose contrasts or alignment draw a warning; the false-alarm rate is that share of the ordinary ones.
The usual range is the model's own; where its card has none, that of the other ordinary pairs (of all of them for spoilt
pairs), which needs a few dozen to mean much. Another patient's image needs four pairs or more.

Writes to build/trust: pairs.csv, detection.csv, reference.json (for the card), calibration.csv and trust.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from known_warp import lengths, points_inside, random_warp, resampled, tissue
from labelled_heads import FLAIR, T1, read_head
from measuring import table, use_one_thread
from regexplain.cards import registry
from regexplain.results.registration_result import RegistrationResult
from regexplain.results.tables import write_csv
from regexplain.results.trust import KEYS, Indicator, Modality, Trust, contrast_warnings
from regexplain.torch_backend.inference.alignment import align
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.inference.prediction import predict
from regexplain.torch_backend.inference.trust import measure_trust
from regexplain.transforms.itk import RegistrationTransform, grid_points
from regexplain.volumes.geometry import Grid, as_closest_lps
from regexplain.volumes.images import read_volume
from regexplain.volumes.intensities import rescale_image, robust_rescale, tissue_box

NAMES = ("T1", "FLAIR")
SPACING_MM = 2.0
HELD_OUT_HEADS = (13, 14, 15, 16)
JITTER_MM, JITTERED_SHARE = 5.0, 0.5
LESION_MM = 15.0
BINS = 10


@dataclass(frozen=True)
class Case:
    """subject: whose head. moves: modality of the moving image, 0 = T1. warp: what the moving image was moved by."""

    name: str
    kind: str
    subject: str
    fixed: sitk.Image
    moving: sitk.Image
    moves: int
    warp: sitk.Transform | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="with ms_mni, ms_longitudinal and brain_labels, or some of them")
    parser.add_argument("--model", default="brain-t1-flair", help="by name or file")
    parser.add_argument("--pairs", type=int, default=12, help="ordinary ones, taken from all sorts in turn")
    parser.add_argument("--only", nargs="*", choices=list(FAILURES), default=list(FAILURES))
    parser.add_argument("--output", type=Path, default=Path("build/trust"))
    arguments = parser.parse_args()
    use_one_thread()
    model = Model.load(registry.find_card(arguments.model), "cpu", threads=1)
    cases = ordinary(arguments.data, arguments.pairs)
    jobs = []
    for case in cases:
        made = {name: FAILURES[name](case, cases) for name in arguments.only}
        jobs += [("ordinary", case), *((name, spoilt) for name, spoilt in made.items() if spoilt is not None)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows, points = [], []
    for condition, case in tqdm(jobs, disable=None):
        warned: list[str] = []
        result = aligned(model, case, warned)
        trust = measure_trust(model, result)
        names = {"condition": condition, "pair": case.name, "kind": case.kind}
        rows.append(names | {"alignment_warned": bool(warned)} | numbers(trust))
        write_csv(arguments.output / "pairs.csv", rows)  # what there is, should it be stopped
        if condition == "ordinary" and case.warp is not None:
            points.append(error_and_disagreement(model, case, result, trust))
    report(arguments.output, rows, points, model.card.values.get("ordinary"))


def ordinary(data: Path, count: int) -> list[Case]:
    """Every sort in turn, as many as are wanted; a sort gives new warps when its heads are used up."""
    sorts = [list(sort) for sort in (stripped(data, count), native(data), made(data, count))]
    return [case for case in chain.from_iterable(zip_longest(*sorts)) if case is not None][:count]


def stripped(data: Path, count: int):
    patients = sorted(p for p in data.glob("ms_mni/*") if p.is_dir())
    for number in range(count if patients else 0):
        patient, seed = patients[number % len(patients)], number // len(patients)
        both = [resampled(read_volume(patient / f"{name}.nii.gz"), SPACING_MM) for name in NAMES]
        yield warped_case("ms_mni", patient.name, *both, seed)


def native(data: Path):
    for number, t1 in enumerate(sorted(data.glob("ms_longitudinal/*/*_T1.nii.gz"))):
        both = [read_volume(t1.with_name(t1.name.replace("T1", name))) for name in NAMES]
        moves = 1 - number % 2
        visit = t1.name.partition("_")[0]
        yield Case(f"{t1.parent.name} {visit}", "ms_longitudinal", t1.parent.name, both[1 - moves], both[moves], moves)


def made(data: Path, count: int):
    files = [data / "brain_labels" / f"head_{number:02d}.nii.gz" for number in HELD_OUT_HEADS]
    heads = [file for file in files if file.is_file()]
    for number in range(count if heads else 0):
        head, seed = read_head(heads[number % len(heads)]), number // len(heads)
        yield warped_case("brain_labels", head.name, head.seen(T1, seed), head.seen(FLAIR, seed), seed)


def warped_case(kind: str, subject: str, t1: sitk.Image, flair: sitk.Image, seed: int) -> Case:
    """T1 is fixed for even seeds."""
    moves = 1 - seed % 2
    both = [sitk.Cast(image, sitk.sitkFloat32) for image in (t1, flair)]
    fixed, still = both[1 - moves], both[moves]
    warp = random_warp(fixed, tissue(fixed), seed)
    return Case(f"{subject}, warp {seed}", kind, subject, fixed, Grid.of(fixed).resample(still, warp), moves, warp)


# Failures: of a case and all cases to the spoilt case, or None where it cannot be made -----------------------------


def wrong_patient(case: Case, cases: Sequence[Case]) -> Case | None:
    others = [c for c in cases if c.kind == case.kind and c.subject != case.subject and c.moves == case.moves]
    return replace(case, moving=others[0].moving) if others else None


def missing_half(case: Case, _: Sequence[Case]) -> Case:
    """The patient's left half of the moving image is as dark as its darkest voxel."""
    array = sitk.GetArrayFromImage(case.moving)
    array[positions(case.moving)[..., 0] > 0] = array.min()
    return replace(case, moving=Grid.of(case.moving).image(array))


def upside_down(case: Case, _: Sequence[Case]) -> Case:
    """Turned by 180° about anterior–posterior, while the header stays."""
    axes = np.abs(Grid.of(case.moving).axes)
    array = sitk.GetArrayFromImage(case.moving)
    for direction in (0, 2):
        array = np.flip(array, 2 - int(axes[direction].argmax()))
    return replace(case, moving=Grid.of(case.moving).image(np.ascontiguousarray(array)))


def motion(case: Case, _: Sequence[Case]) -> Case:
    """Half of the lines of k-space were taken while the head was elsewhere, 5 mm (standard deviation) a direction."""
    grid, random = Grid.of(case.moving), np.random.default_rng(0)
    space = np.fft.fftn(sitk.GetArrayFromImage(case.moving))
    frequencies = [np.fft.fftfreq(n, s) for n, s in zip(space.shape, reversed(grid.spacing), strict=True)]
    lines = space.shape[1]
    shifts = JITTER_MM * random.normal(size=(3, lines)) * (random.random(lines) < JITTERED_SHARE)
    z, y, x = np.meshgrid(*frequencies, indexing="ij", sparse=True)
    turns = z * shifts[0][:, None] + y * shifts[1][:, None] + x * shifts[2][:, None]
    moved = np.abs(np.fft.ifftn(space * np.exp(-2j * np.pi * turns)))
    return replace(case, moving=grid.image(moved.astype(np.float32)))


def lesion(case: Case, _: Sequence[Case]) -> Case:
    """A soft ball of 15 mm radius in the left hemisphere of the moving image alone: bright on FLAIR, dark on T1."""
    array = sitk.GetArrayFromImage(case.moving).astype(np.float32)
    distance = np.linalg.norm(positions(case.moving) - (30.0, 0.0, 20.0), axis=-1)
    share = 1 / (1 + np.exp(np.clip((distance - LESION_MM) / 1.0, -50, 50)))
    bright = np.percentile(array[array > array.mean()], 99)
    value = 1.3 * bright if NAMES[case.moves] == "FLAIR" else 0.2 * bright
    return replace(case, moving=Grid.of(case.moving).image((array * (1 - share) + value * share).astype(np.float32)))


def positions(image: sitk.Image) -> np.ndarray:
    """(z, y, x, 3) mm from the middle of the tissue, along the image's own axes nearest to L, P, S."""
    grid = Grid.of(image)
    return (grid_points(grid) - tissue_box(rescale_image(robust_rescale, image)).centre) @ as_closest_lps(grid).axes


FAILURES: dict[str, Callable[[Case, Sequence[Case]], Case | None]] = {
    "wrong patient": wrong_patient,
    "missing half": missing_half,
    "upside down": upside_down,
    "motion": motion,
    "lesion": lesion,
}


# Measuring -----------------------------------------------------------------------------------------------------------


def aligned(model: Model, case: Case, warned: list[str]) -> RegistrationResult:
    """All that the indicators need of a result; what `register` would warn of is added to `warned`."""
    linear = align(model, case.fixed, case.moving, warned.append)
    back = sitk.AffineTransform(linear.GetInverse())
    return RegistrationResult(case.fixed, case.moving, RegistrationTransform(linear), RegistrationTransform(back))


def numbers(trust: Trust) -> dict[str, Any]:
    values: dict[str, Any] = {KEYS[found.name]: found.value for found in trust.indicators}
    for found in trust.indicators:
        values |= {f"{found.name}_worst": found.worst, f"{found.name}_place": found.place}
    for role, seen in trust.modalities.items():
        values |= {f"{role}_modality": seen.name, f"{role}_certainty": seen.certainty}
    return values


def error_and_disagreement(model: Model, case: Case, result: RegistrationResult, trust: Trust) -> np.ndarray:
    """(N, 2) mm over points of the head: the true error, and T's disagreement there."""
    assert case.warp is not None
    linear = result.transform.alignment
    displacement = predict(model, case.fixed, case.moving, linear).displacement
    points = points_inside(case.fixed, tissue(case.fixed))
    error = lengths(RegistrationTransform(linear, displacement).itk(), case.warp, points)
    seen = trust.maps[0].image
    cells = [seen.TransformPhysicalPointToIndex(point) for point in points.tolist()]
    return np.column_stack([error, [seen[cell] for cell in cells]])


# Reporting -----------------------------------------------------------------------------------------------------------


def report(folder: Path, rows: list[dict[str, Any]], points: list[np.ndarray], known: dict[str, Any] | None) -> None:
    ordinary_rows = [row for row in rows if row["condition"] == "ordinary"]
    for number, row in enumerate(rows):
        others = [r for r in ordinary_rows if r is not rows[number]]
        row |= alarms(row, known or ranges(others))
    write_csv(folder / "pairs.csv", rows)
    (folder / "reference.json").write_text(json.dumps(ranges(ordinary_rows), indent=2) + "\n", encoding="utf-8")
    whose = "the model's own" if known else "those of the other ordinary pairs"
    text = f"Usual ranges: {whose}. Share of pairs called unusual; of ordinary pairs that is the false-alarm rate.\n\n"
    text += detection(folder, rows)
    if points:
        text += "\n\n" + calibration(folder, points)
    (folder / "trust.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def ranges(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median, 5th and 95th percentile of each indicator, as a card's `ordinary`; empty for no rows."""
    found = {}
    for key in KEYS.values():
        values = [row[key] for row in rows if row[key] is not None]
        if values:
            low, median, high = np.percentile(values, [5, 50, 95])
            found[key] = {"median": float(median), "p5": float(low), "p95": float(high)}
    return found


def alarms(row: dict[str, Any], reference: dict[str, Any]) -> dict[str, bool]:
    found = {
        name: Indicator(name, row[key], reference=reference.get(key)).state == "unusual" for name, key in KEYS.items()
    }
    seen = {role: Modality(row[f"{role}_modality"], row[f"{role}_certainty"]) for role in ("fixed", "moving")}
    found |= {"contrasts": bool(contrast_warnings(seen)), "alignment": row["alignment_warned"]}
    return {f"{name}_unusual": value for name, value in found.items()} | {"any_unusual": any(found.values())}


def detection(folder: Path, rows: list[dict[str, Any]]) -> str:
    columns = [*KEYS, "contrasts", "alignment", "any"]
    lines = []
    for condition in dict.fromkeys(row["condition"] for row in rows):
        own = [row for row in rows if row["condition"] == condition]
        shares = {name: float(np.mean([row[f"{name}_unusual"] for row in own])) for name in columns}
        lines.append({"condition": condition, "pairs": len(own)} | shares)
    write_csv(folder / "detection.csv", lines)
    cells = [[li["condition"], str(li["pairs"]), *(f"{100 * li[c]:.0f} %" for c in columns)] for li in lines]
    return table(["pairs", "number", *columns], cells)


def calibration(folder: Path, points: list[np.ndarray]) -> str:
    """How well disagreement predicts the error, each pair by a straight line through the other pairs."""
    pooled = np.concatenate(points)
    order = np.array_split(np.argsort(pooled[:, 1]), BINS)
    bins = [
        {"disagreement_mm": float(pooled[b, 1].mean()), "error_mm": float(pooled[b, 0].mean())}
        | {"error_p95_mm": float(np.percentile(pooled[b, 0], 95)), "points": len(b)}
        for b in order
    ]
    write_csv(folder / "calibration.csv", bins)
    within = [np.corrcoef(ranks(pair).T)[0, 1] for pair in points]
    text = (
        f"Error against disagreement, {len(points)} known warps: correlation {np.corrcoef(pooled.T)[0, 1]:.2f} over "
        f"all points; rank correlation within a pair {np.mean(within):.2f} ({min(within):.2f} to {max(within):.2f})"
    )
    if len(points) > 1:
        text += f"; error predicted from the other pairs: R² {explained(points):.2f}"
    cells = [[f"{b['disagreement_mm']:.2f}", f"{b['error_mm']:.2f}", f"{b['error_p95_mm']:.2f}"] for b in bins]
    return text + ".\n\n" + table(["disagreement, mm", "error, mm", "95 % of errors below"], cells)


def ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort(0).argsort(0)


def explained(points: list[np.ndarray]) -> float:
    """1 − squared error of the prediction over the spread about the mean that the other pairs have."""
    left = spread = 0.0
    for number, pair in enumerate(points):
        others = np.concatenate(points[:number] + points[number + 1 :])
        line = np.polyfit(others[:, 1], others[:, 0], 1)
        left += float(((pair[:, 0] - np.polyval(line, pair[:, 1])) ** 2).sum())
        spread += float(((pair[:, 0] - others[:, 0].mean()) ** 2).sum())
    return 1 - left / spread


if __name__ == "__main__":
    main()
