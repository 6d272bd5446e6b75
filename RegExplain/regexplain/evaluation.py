"""How good models are on pairs with known segmentations: `regexplain evaluate CONFIG`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import BadInputError
from .progress import Progress
from .registration import register
from .results.tables import write_csv
from .volumes.case_files import numbered_cases
from .volumes.images import read_segmentation, read_volume

PAIR_COLUMNS = (
    "model",
    "refine",
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
SUMMARY_COLUMNS = (
    "model",
    "refine",
    "pairs",
    "dice_aligned",
    "dice_aligned_sd",
    "dice_after",
    "dice_after_sd",
    "share_folded",
    "log_sd",
    "inverse_consistency_mm",
    "seconds",
)


@dataclass
class EvaluationConfig:
    """Each of `models` registers all pairs once with each number of `refine` steps.

    Cases are images and segmentations of the same file name with a number in first … last; with them in ascending
    order, pair k is fixed = case k, moving = case n−1−k. Paths are relative to the file; `output` is the CSV of the
    pairs. In the file, `"model": NAME` stands for `"models": [NAME]`."""

    models: list[str]
    images: str
    segmentations: str
    first: int
    last: int
    output: str
    refine: list[int] = field(default_factory=lambda: [0])
    folder: Path = Path()

    @classmethod
    def read(cls, path: str | Path) -> EvaluationConfig:
        path = Path(path)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if "model" in values:
                values["models"] = values.get("models", []) + [values.pop("model")]
            return cls(**values, folder=path.parent)
        except (OSError, ValueError, TypeError) as error:
            keys = ", ".join(f.name for f in fields(cls) if f.name != "folder")
            raise BadInputError(f"{path} is not an evaluation configuration ({error}); its keys are {keys}.") from error

    def __post_init__(self) -> None:
        """Raises BadInputError."""
        if not _list_of(str, self.models):
            raise BadInputError('"models" of an evaluation must be a list of one or more names, e.g. ["hippocampus"].')
        if not _list_of(int, self.refine) or min(self.refine) < 0:
            raise BadInputError(
                '"refine" of an evaluation must be a list of one or more numbers of steps, e.g. [0, 50].'
            )

    def pairs(self) -> list[tuple[Path, Path]]:
        """The images, (fixed, moving)."""
        cases = numbered_cases(self.folder / self.images, self.folder / self.segmentations, self.first, self.last)
        images = [image for image, _ in cases]
        return list(zip(images, reversed(images), strict=True))

    def segmentation(self, image: Path) -> Path:
        return self.folder / self.segmentations / image.name

    def settings(self) -> list[tuple[str, int]]:
        """(model, refine steps) of every line of the summary."""
        return [(model, steps) for model in self.models for steps in self.refine]


def _list_of(kind: type, values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(type(value) is kind for value in values)


def evaluate(config: EvaluationConfig, device: str, threads: int | None, progress: Progress) -> list[dict[str, Any]]:
    """A row a pair and setting (PAIR_COLUMNS), written as CSV to `output`; their summary to `output`-summary.csv."""
    pairs, settings = config.pairs(), config.settings()
    rows: list[dict[str, Any]] = []
    total = len(pairs) * len(settings)
    for fixed, moving in pairs:
        images = read_volume(fixed, "fixed image"), read_volume(moving, "moving image")
        labels = [
            read_segmentation(config.segmentation(path), image)
            for path, image in zip((fixed, moving), images, strict=True)
        ]
        for model, steps in settings:
            progress.report("Evaluating", len(rows), total)
            numbers = _numbers(images, labels, model, steps, device, threads)
            rows.append({"model": model, "refine": steps, "fixed": fixed.name, "moving": moving.name} | numbers)
    progress.report("Evaluating", total, total)
    output = config.folder / config.output
    output.parent.mkdir(parents=True, exist_ok=True)
    write_csv(output, rows, PAIR_COLUMNS)
    write_csv(output.with_name(f"{output.stem}-summary.csv"), summarise(rows), SUMMARY_COLUMNS)
    return rows


def _numbers(
    images: tuple[sitk.Image, sitk.Image],
    labels: list[sitk.Image],
    model: str,
    steps: int,
    device: str,
    threads: int | None,
) -> dict[str, float]:
    record = register(
        *images,
        model=model,
        fixed_segmentation=labels[0],
        moving_segmentation=labels[1],
        refine=steps,
        device=device,
        threads=threads,
    ).record
    return {
        "dice_aligned": record["dice"]["aligned"],
        "dice_after": record["dice"]["after"],
        "share_folded": record["jacobian"]["share_folded"],
        "log_sd": record["jacobian"]["log_sd"],
        "displacement_mm": record["displacement_mm"]["mean"],
        "inverse_consistency_mm": record["inverse_consistency_mm"]["mean"],
        "seconds": record["seconds"]["align"] + record["seconds"]["register"],
    }


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row (SUMMARY_COLUMNS) a model and number of refine steps, in the order met: means over the pairs, standard
    deviations (of these pairs, so divided by n) of Dice, the median of the seconds."""
    lines = []
    for model, steps in dict.fromkeys((row["model"], row["refine"]) for row in rows):
        group = [row for row in rows if (row["model"], row["refine"]) == (model, steps)]
        column = {name: np.array([row[name] for row in group], float) for name in PAIR_COLUMNS[4:]}
        means = {name: float(column[name].mean()) for name in SUMMARY_COLUMNS if name in column}
        spreads = {f"{name}_sd": float(column[name].std()) for name in ("dice_aligned", "dice_after")}
        lines.append(
            {"model": model, "refine": steps, "pairs": len(group)}
            | means
            | spreads
            | {"seconds": float(np.median(column["seconds"]))}
        )
    return lines


def format_table(lines: list[dict[str, Any]]) -> str:
    """`summarise` for people: a title line, then one aligned line a row."""
    heads = (
        "model",
        "refine",
        "pairs",
        "Dice aligned",
        "Dice registered",
        "folded %",
        "sd log det J",
        "inverse mm",
        "s a pair",
    )
    cells = [
        (
            line["model"],
            str(line["refine"]),
            str(line["pairs"]),
            f"{line['dice_aligned']:.3f} ± {line['dice_aligned_sd']:.3f}",
            f"{line['dice_after']:.3f} ± {line['dice_after_sd']:.3f}",
            f"{100 * line['share_folded']:.4f}",
            f"{line['log_sd']:.3f}",
            f"{line['inverse_consistency_mm']:.3f}",
            f"{line['seconds']:.2f}",
        )
        for line in lines
    ]
    widths = [max(len(row[k]) for row in (heads, *cells)) for k in range(len(heads))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in (heads, *cells)
    )
