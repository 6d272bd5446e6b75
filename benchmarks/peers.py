"""Dice, folding and time of RegExplain beside greedy and ANTs, in one run on the hippocampus validation pairs.

    build/benchmark/bin/python benchmarks/peers.py ../shared/data/hippocampus

prints a table and writes pairs.csv, summary.csv and peers.md (README.md beside this file: how to set it up, and what is
compared).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

import registration_methods as methods
from measuring import Task, averaged, measured, processor, table, use_one_thread, versions
from regexplain.errors import RegExplainError
from regexplain.results.tables import write_csv
from regexplain.volumes.case_files import numbered_cases
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_segmentation, read_volume
from transform_scores import scores

PEERS = {"picsl_greedy": "picsl-greedy", "ants": "antspyx"}  # module: package


@dataclass
class Case:
    name: str
    image: sitk.Image
    labels: sitk.Image


def main() -> None:
    arguments = parsed_arguments()
    missing = [package for module, package in PEERS.items() if find_spec(module) is None]
    if missing:
        sys.exit(f"{' and '.join(missing)} not installed; set up the environment of benchmarks/README.md.")
    use_one_thread()
    try:
        pairs = validation_pairs(arguments.data, arguments.first, arguments.last)[: arguments.pairs]
        rows = measured(tasks(pairs), methods.all_kinds(arguments.models, arguments.refine))
    except RegExplainError as error:
        sys.exit(str(error))
    lines = summary(rows)
    text = markdown(lines)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.output / "pairs.csv", rows)
    write_csv(arguments.output / "summary.csv", lines)
    (arguments.output / "peers.md").write_text(f"{text}\n\n{conditions(arguments.refine)}\n", encoding="utf-8")
    print(text)


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with images/ and labels/ of the hippocampus cases")
    parser.add_argument("--models", nargs="*", default=["hippocampus", "hippocampus-skip"])
    parser.add_argument("--refine", type=int, default=50, help="steps of the refined rows; 0 leaves them out")
    parser.add_argument("--first", type=int, default=311, help="number of the first case")
    parser.add_argument("--last", type=int, default=999, help="number of the last case")
    parser.add_argument("--pairs", type=int, help="only so many pairs")
    parser.add_argument("--output", type=Path, default=Path("build/peers"))
    return parser.parse_args()


def validation_pairs(data: Path, first: int, last: int) -> list[tuple[Case, Case]]:
    """(fixed, moving) of the protocol: pair k is case k with case n−1−k."""
    cases = [read_case(*paths) for paths in numbered_cases(data / "images", data / "labels", first, last)]
    return list(zip(cases, reversed(cases), strict=True))


def read_case(image_path: Path, labels_path: Path) -> Case:
    image = sitk.Cast(read_volume(image_path), sitk.sitkFloat32)
    labels = read_segmentation(labels_path, image)
    return Case(image_path.name, centred(image), centred(labels))


def centred(image: sitk.Image) -> sitk.Image:
    """A copy with its middle at the world's origin, so that every method starts from aligned centres."""
    copy = sitk.Image(image)
    copy.SetOrigin((np.array(image.GetOrigin()) - Grid.of(image).centre).tolist())
    return copy


def tasks(pairs: list[tuple[Case, Case]]) -> list[Task]:
    return [
        Task(
            {"fixed": fixed.name, "moving": moving.name},
            fixed.image,
            moving.image,
            partial(scores, fixed=fixed.labels, moving=moving.labels),
        )
        for fixed, moving in pairs
    ]


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a method: means over the pairs, sd of Dice, median times, and the time as a multiple of the fastest
    deformable peer's."""
    lines = averaged(rows, ("dice", "share_folded", "log_sd"), ("dice",))
    fastest = min(line["seconds"] for line in lines if line["kind"] == methods.DEFORMABLE_PEER)
    return [line | {"times_fastest": line["seconds"] / fastest} for line in lines]


def markdown(lines: list[dict[str, Any]]) -> str:
    """`summary` as a Markdown table whose columns stand under each other."""
    heads = ["method", "Dice", "folded %", "sd log det J", "s a pair", "× fastest deformable peer"]
    cells = [
        [
            line["method"],
            f"{line['dice']:.3f} ± {line['dice_sd']:.3f}",
            f"{100 * line['share_folded']:.4f}",
            f"{line['log_sd']:.3f}",
            *(("–", "–") if line["kind"] == "start" else (f"{line['seconds']:.2f}", f"{line['times_fastest']:.2f}")),
        ]
        for line in lines
    ]
    return table(heads, cells)


def conditions(refine: int) -> str:
    known = versions(("regexplain", "torch", *PEERS.values()))
    return f"By benchmarks/peers.py: {known}; one thread of {processor()}; refined with --refine {refine}."


if __name__ == "__main__":
    main()
