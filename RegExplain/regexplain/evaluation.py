"""How good a model is on pairs with known segmentations: `regexplain evaluate CONFIG`."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadInputError
from .images import read_segmentation, read_volume
from .progress import Progress
from .registration import register

COLUMNS = (
    "fixed",
    "moving",
    "dice_aligned",
    "dice_after",
    "share_folded",
    "log_sd",
    "displacement_mm",
    "inverse_consistency_mm",
    "seconds",
)


@dataclass
class EvaluationConfig:
    """Cases are images and segmentations of the same file name with a number in first … last; with them in ascending
    order, pair k is fixed = case k, moving = case n−1−k. Paths are relative to the file; `output` is a CSV."""

    model: str
    images: str
    segmentations: str
    first: int
    last: int
    output: str
    folder: Path = Path()

    @classmethod
    def read(cls, path: str | Path) -> EvaluationConfig:
        path = Path(path)
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")), folder=path.parent)
        except (OSError, ValueError, TypeError) as error:
            known = ", ".join(f.name for f in fields(cls) if f.name != "folder")
            raise BadInputError(
                f"{path} is not an evaluation configuration ({error}); its keys are {known}."
            ) from error

    def pairs(self) -> list[tuple[Path, Path]]:
        """The images, (fixed, moving)."""
        found = numbered_cases(self.folder / self.images, self.folder / self.segmentations, self.first, self.last)
        cases = [image for image, _ in found]
        return list(zip(cases, reversed(cases), strict=True))

    def segmentation(self, image: Path) -> Path:
        return self.folder / self.segmentations / image.name


def numbered_cases(images: Path, segmentations: Path, first: int, last: int) -> list[tuple[Path, Path]]:
    """(image, segmentation) of the same file name, its number in first … last, ascending. Raises BadInputError."""
    found = [
        (image, segmentations / image.name)
        for image in sorted(images.glob("*.nii.gz"))
        if first <= case_number(image) <= last and (segmentations / image.name).exists()
    ]
    if not found:
        raise BadInputError(f"No cases {first}–{last} in {images}; check the configuration.")
    return found


def case_number(path: Path) -> int:
    """The last number in the file's name; -1 without one."""
    digits = re.findall(r"\d+", path.name.split(".")[0])
    return int(digits[-1]) if digits else -1


def evaluated(config: EvaluationConfig, device: str, threads: int | None, progress: Progress) -> list[dict[str, Any]]:
    """A row a pair, also written as CSV to the configured output."""
    pairs, rows = config.pairs(), []
    for done, (fixed, moving) in enumerate(pairs):
        progress.report("Evaluating", done, len(pairs))
        rows.append(_row(config, fixed, moving, device, threads))
    progress.report("Evaluating", len(pairs), len(pairs))
    output = config.folder / config.output
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _row(config: EvaluationConfig, fixed: Path, moving: Path, device: str, threads: int | None) -> dict[str, Any]:
    images = read_volume(fixed, "fixed image"), read_volume(moving, "moving image")
    labels = [
        read_segmentation(config.segmentation(path), image) for path, image in zip((fixed, moving), images, strict=True)
    ]
    record = register(
        *images,
        model=config.model,
        fixed_segmentation=labels[0],
        moving_segmentation=labels[1],
        device=device,
        threads=threads,
    ).record
    return {
        "fixed": fixed.name,
        "moving": moving.name,
        "dice_aligned": record["dice"]["aligned"],
        "dice_after": record["dice"]["after"],
        "share_folded": record["jacobian"]["share_folded"],
        "log_sd": record["jacobian"]["log_sd"],
        "displacement_mm": record["displacement_mm"]["mean"],
        "inverse_consistency_mm": record["inverse_consistency_mm"]["mean"],
        "seconds": record["seconds"]["align"] + record["seconds"]["register"],
    }


def summary(rows: list[dict[str, Any]]) -> str:
    """One line for people."""
    column = {name: np.array([row[name] for row in rows], float) for name in COLUMNS[2:]}
    return (
        f"{len(rows)} pairs: Dice {column['dice_aligned'].mean():.3f} ± {column['dice_aligned'].std():.3f} aligned, "
        f"{column['dice_after'].mean():.3f} ± {column['dice_after'].std():.3f} registered; folded "
        f"{100 * column['share_folded'].mean():.4f} %, "
        f"sd of log det J {column['log_sd'].mean():.3f}, inverse consistency "
        f"{column['inverse_consistency_mm'].mean():.3f} mm, "
        f"{np.median(column['seconds']):.2f} s a pair"
    )
