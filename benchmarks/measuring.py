"""What the comparisons of registration methods share: taking turns on each pair, timing, averaging, and tables."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from regexplain.volumes.threads import use_threads

Kinds = Mapping[str, Mapping[str, Callable[[sitk.Image, sitk.Image], Any]]]


@dataclass
class Task:
    """One pair to register. names: the columns that say which; scores: of what a method gives for it."""

    names: dict[str, str]
    fixed: sitk.Image
    moving: sitk.Image
    scores: Callable[[Any], dict[str, float]]


def use_one_thread() -> None:
    """greedy and RegExplain are told on each call; ANTs' and elastix' ITK read their own variable when loaded."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    use_threads(1)


def measured(tasks: Sequence[Task], kinds: Kinds) -> list[dict[str, Any]]:
    """A row a pair and method. All methods take turns on each pair, so that what slows the machine slows them all; each
    has registered the first pair once before, so that nobody's loading of libraries counts."""
    every = [(kind, name, method) for kind, known in kinds.items() for name, method in known.items()]
    rows = []
    with quiet_libraries(), tqdm(total=len(tasks) * len(every), desc="Registering") as bar:
        for _, _, method in every:
            method(tasks[0].fixed, tasks[0].moving)
        for task in tasks:
            for kind, name, method in every:
                bar.update()
                began, busy = time.perf_counter(), time.process_time()
                found = method(task.fixed, task.moving)
                seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - busy}
                rows.append({"method": name, "kind": kind} | task.names | task.scores(found) | seconds)
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


def averaged(rows: Sequence[dict[str, Any]], means: Sequence[str], spreads: Sequence[str]) -> list[dict[str, Any]]:
    """A row a method: means over its pairs, standard deviations of some columns (`…_sd`), median times."""
    lines = []
    for name in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == name]
        column = {key: np.array([row[key] for row in own]) for key in (*means, *spreads, "seconds", "cpu_seconds")}
        lines.append(
            {"method": name, "kind": own[0]["kind"], "pairs": len(own)}
            | {key: mean_of_known(column[key]) for key in means}
            | {f"{key}_sd": float(column[key].std()) for key in spreads}
            | {key: float(np.median(column[key])) for key in ("seconds", "cpu_seconds")}
        )
    return lines


def mean_of_known(values: np.ndarray) -> float:
    """NaN where none is known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns stand under each other."""
    widths = [max(len(row[k]) for row in (heads, *cells)) for k in range(len(heads))]
    rules = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (heads, rules, *cells)
    )


def versions(packages: Sequence[str]) -> str:
    return ", ".join(f"{package} {version(package)}" for package in packages)


def processor() -> str:
    """What the system calls its processor."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()
