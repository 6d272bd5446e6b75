"""T1 to FLAIR: RegExplain beside greedy, ANTs, elastix and convexAdam in one run, by known warps and by labels.

    build/benchmark/bin/python benchmarks/multimodal_peers.py ../shared/data --model brain-t1-flair

prints two tables and writes them, with all pairs, to build/multimodal-peers (README.md beside this file: how to set it
up, and what is compared).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

import multimodal_methods as methods
from crop_pairs import KINDS, crop_task
from known_warp import lengths, points_inside, random_warp, resampled, tissue
from labelled_heads import FLAIR, T1, Head, read_head
from measuring import Kinds, Task, averaged, measured, processor, table, use_one_thread, versions
from regexplain.errors import RegExplainError
from regexplain.results.tables import write_csv
from regexplain.transforms.affine_registration import register_affine
from regexplain.transforms.jacobians import jacobian_determinant, jacobian_summary
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_volume
from transform_scores import scores

SPACING_MM = 2.0
KNOWN = {"error_mm": "mm", "error_p95_mm": "95 %"}
LABELS = {"dice": "Dice"}
LANDMARKS = {"landmarks_mm": "landmarks, mm"}
STIFF = ("prostate",)  # crops whose images have so little in common that peers need more smoothness than is usual
COMMON = {"share_folded": "folded %", "log_sd": "sd log det J", "inverse_mm": "there and back, mm"}


def main() -> None:
    arguments = parsed_arguments()
    for sentence in methods.missing(arguments.model):
        print(sentence, file=sys.stderr)
    use_one_thread()
    kinds = partial(methods.all_kinds, arguments.model, arguments.refine, arguments.only)
    try:
        parts = [
            ("known-warps", "## Known warps", known_warps(arguments), kinds(), KNOWN),
            ("heads", "## Label maps as subjects", head_pairs(arguments), kinds(aligned=True), LABELS),
        ]
        for name in arguments.crops:
            pairs = list(islice(KINDS[name](arguments.data), arguments.pairs))
            columns = LABELS | (LANDMARKS if pairs and pairs[0].landmarks else {})
            methods_of = kinds(aligned=True, stiff=name in STIFF)
            parts.append((name, f"## Crops: {name}", [crop_task(pair) for pair in pairs], methods_of, columns))
        written = [part(arguments.output, *given) for given in parts if given[2]]
    except RegExplainError as error:
        sys.exit(str(error))
    text = "\n\n".join([*written, conditions(arguments)])
    (arguments.output / "multimodal-peers.md").write_text(f"{text}\n", encoding="utf-8")
    print(text)


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", type=Path, help="folder with ms_mni/PATIENT/{T1,FLAIR}.nii.gz and brain_labels/HEAD.nii.gz"
    )
    parser.add_argument("--model", default="brain-t1-flair", help="RegExplain's model, by name or file")
    parser.add_argument("--refine", type=int, default=50, help="steps of the refined rows; 0 leaves them out")
    parser.add_argument("--patients", nargs="*", default=["patient07", "patient19"], help="none: no known warps")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the known warps")
    parser.add_argument(
        "--heads",
        nargs="*",
        default=["head_13:head_14", "head_14:head_15", "head_15:head_16"],
        help="pairs FIXED:MOVING that no model was trained on; none: no label maps",
    )
    parser.add_argument("--crops", nargs="*", choices=KINDS, default=[], help="real crops with labels")
    parser.add_argument("--pairs", type=int, help="only so many pairs of crops")
    parser.add_argument("--only", default="", help="only methods whose name has these letters")
    parser.add_argument("--output", type=Path, default=Path("build/multimodal-peers"))
    return parser.parse_args()


def known_warps(arguments: argparse.Namespace) -> list[Task]:
    """T1 as it is, and the FLAIR of the same visit moved by a known warp, both at 2 mm."""
    tasks = []
    for patient in arguments.patients:
        t1, flair = (
            resampled(sitk.Cast(read_volume(arguments.data / "ms_mni" / patient / name), sitk.sitkFloat32), SPACING_MM)
            for name in ("T1.nii.gz", "FLAIR.nii.gz")
        )
        inside = tissue(t1)
        points = points_inside(t1, inside)
        for seed in arguments.seeds:
            warp = random_warp(t1, inside, np.random.default_rng(seed))
            names = {"fixed": f"{patient} T1", "moving": f"{patient} FLAIR, warp {seed}"}
            score = partial(known_warp_scores, warp=warp, points=points, grid=Grid.of(t1))
            tasks.append(Task(names, t1, Grid.of(t1).resample(flair, warp), score))
    return tasks


def known_warp_scores(found: methods.Found, warp: sitk.Transform, points: np.ndarray, grid: Grid) -> dict[str, float]:
    """Error: |warp(transform(p)) − p| over points of the brain, mean and 95th percentile."""
    error = lengths(found[0], warp, points)
    determinant = jacobian_summary(jacobian_determinant(found[0], grid))
    return {
        "error_mm": float(error.mean()),
        "error_p95_mm": float(np.percentile(error, 95)),
        "share_folded": determinant["share_folded"],
        "log_sd": determinant["log_sd"],
        "inverse_mm": there_and_back(found, points),
    }


def there_and_back(found: methods.Found, points: np.ndarray) -> float:
    """Mean |back(there(p)) − p|, mm; NaN for a method with no way back."""
    there, back = found
    return float("nan") if back is None else float(lengths(there, back(), points).mean())


def head_pairs(arguments: argparse.Namespace) -> list[Task]:
    """T1-like of one head, and the FLAIR-like of another after one and the same affine for all methods."""
    pairs = [pair.split(":") for pair in arguments.heads]
    heads = {name: read_head(arguments.data / "brain_labels" / f"{name}.nii.gz") for pair in pairs for name in pair}
    return [head_task(heads[fixed], heads[moving], seed) for seed, (fixed, moving) in enumerate(pairs)]


def head_task(fixed: Head, moving: Head, seed: int) -> Task:
    t1, flair = fixed.seen(T1, seed), moving.seen(FLAIR, seed)
    affine = register_affine(t1, flair).transform
    points = points_inside(t1, sitk.GetArrayFromImage(fixed.structures) > 0)
    score = partial(head_scores, affine=affine, fixed=fixed.structures, moving=moving.structures, points=points)
    return Task({"fixed": fixed.name, "moving": moving.name}, t1, Grid.of(t1).resample(flair, affine), score)


def head_scores(
    found: methods.Found, affine: sitk.Transform, fixed: sitk.Image, moving: sitk.Image, points: np.ndarray
) -> dict[str, float]:
    """Dice over the large structures of the affine after the deformation, which was found after the affine."""
    whole = sitk.CompositeTransform([affine, found[0]])
    return scores(whole, fixed, moving) | {"inverse_mm": there_and_back(found, points)}


def part(folder: Path, name: str, title: str, tasks: Sequence[Task], kinds: Kinds, columns: dict[str, str]) -> str:
    """Measure, write the CSV files, and give the Markdown of one table."""
    rows = measured(tasks, kinds)
    lines = averaged(rows, (*columns, *COMMON), list(columns)[:1])
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / f"{name}-pairs.csv", rows)
    write_csv(folder / f"{name}.csv", lines)
    return f"{title}\n\n{markdown(lines, columns)}"


def markdown(lines: Sequence[dict[str, Any]], columns: dict[str, str]) -> str:
    first, *others = columns
    heads = ["method", columns[first], *(columns[name] for name in others), *COMMON.values(), "s a pair", "processor s"]
    cells = [
        [
            line["method"],
            f"{line[first]:.3f} ± {line[f'{first}_sd']:.3f}",
            *(f"{line[name]:.2f}" for name in others),
            f"{100 * line['share_folded']:.4f}",
            f"{line['log_sd']:.3f}",
            "–" if np.isnan(line["inverse_mm"]) else f"{line['inverse_mm']:.3f}",
            *(("–", "–") if line["kind"] == "start" else (f"{line['seconds']:.1f}", f"{line['cpu_seconds']:.1f}")),
        ]
        for line in lines
    ]
    return table(heads, cells)


def conditions(arguments: argparse.Namespace) -> str:
    known = versions(("regexplain", "torch", *methods.packages()))
    return f"By benchmarks/multimodal_peers.py: {known}; one thread of {processor()}; --refine {arguments.refine}."


if __name__ == "__main__":
    main()
