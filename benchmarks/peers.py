"""Dice, folding and time of RegExplain beside greedy and ANTs, in one run on the hippocampus validation pairs.

    build/benchmark/bin/python benchmarks/peers.py ../shared/data/hippocampus

prints a table and writes pairs.csv, summary.csv and peers.md (README.md beside this file: how to set it up, and what is
compared).
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

import registration_methods as methods
from regexplain.errors import RegExplainError
from regexplain.evaluation import numbered_cases
from regexplain.geometry import Grid
from regexplain.images import read_segmentation, read_volume
from regexplain.running import use_threads
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
        rows = measured(pairs, methods.all_kinds(arguments.models, arguments.refine))
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


def use_one_thread() -> None:
    """greedy and RegExplain are told on each call; ANTs' ITK reads its own variable when it is loaded."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    use_threads(1)


def validation_pairs(data: Path, first: int, last: int) -> list[tuple[Case, Case]]:
    """(fixed, moving) of the protocol: pair k is case k with case n−1−k."""
    cases = [read_case(*paths) for paths in numbered_cases(data / "images", data / "labels", first, last)]
    return list(zip(cases, reversed(cases), strict=True))


def read_case(image_path: Path, labels_path: Path) -> Case:
    image = sitk.Cast(read_volume(image_path), sitk.sitkFloat32)
    labels = read_segmentation(labels_path, image)
    return Case(image_path.name, centred(image), centred(labels))


def centred(image: sitk.Image) -> sitk.Image:
    """A copy with its middle at the world's origin, so that every method starts from centres laid on each other."""
    copy = sitk.Image(image)
    copy.SetOrigin((np.array(image.GetOrigin()) - Grid.of(image).centre).tolist())
    return copy


def measured(pairs: list[tuple[Case, Case]], kinds: dict[str, dict[str, methods.Method]]) -> list[dict[str, Any]]:
    """A row a pair and method. All methods take turns on each pair, so that what slows the machine slows them all; each
    has registered the first pair once before, so that nobody's loading of libraries counts."""
    every = [(kind, name, method) for kind, known in kinds.items() for name, method in known.items()]
    rows = []
    with quiet_libraries(), tqdm(total=len(pairs) * len(every), desc="Registering") as bar:
        for _, _, method in every:
            method(pairs[0][0].image, pairs[0][1].image)
        for fixed, moving in pairs:
            for kind, name, method in every:
                bar.update()
                began, busy = time.perf_counter(), time.process_time()
                transform = method(fixed.image, moving.image)
                seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}
                rows.append(
                    {"method": name, "kind": kind, "fixed": fixed.name, "moving": moving.name}
                    | scores(transform, fixed.labels, moving.labels)
                    | seconds
                )
    return rows


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """greedy's optimiser prints its line searches past Python, to file descriptor 1."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a method: means over the pairs, sd of Dice, median times, and the time as a multiple of the fastest
    deformable peer's."""
    lines = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        column = {key: np.array([row[key] for row in own]) for key in own[0] if not isinstance(own[0][key], str)}
        means = {key: float(column[key].mean()) for key in ("dice", "share_folded", "log_sd")}
        medians = {key: float(np.median(column[key])) for key in ("seconds", "cpu_seconds")}
        spread = {"dice_sd": float(column["dice"].std())}
        lines.append({"method": name, "kind": own[0]["kind"], "pairs": len(own)} | means | spread | medians)
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
    widths = [max(len(row[k]) for row in (heads, *cells)) for k in range(len(heads))]
    rules = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (heads, rules, *cells)
    )


def conditions(refine: int) -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in ("regexplain", "torch", *PEERS.values()))
    return f"By benchmarks/peers.py: {versions}; one thread of {processor()}; refined with --refine {refine}."


def processor() -> str:
    """What the system calls its processor."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
