"""How well the error map tells the error, for each engine, beside simple predictors, on heads that it never saw.

    .venv/bin/python benchmarks/error_map_table.py build/error-map/cases --output build/error-map/table

Of the test part of error_map_cases.py: mean absolute error (mm), Spearman's correlation over cells, area under the ROC
curve for errors above 2 mm, and the share of errors below the 90 % bound; by engine, by kind of pair, by decile of what
was expected; and a plot of both. Every case counts alike. The simple predictors are told in mm by the median error of
the calibration cases in each twentieth of their values; where a predictor belongs to an engine, it is measured there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from error_map_engines import UNSEEN
from measuring import processor, table, use_one_thread
from regexplain.results.tables import write_csv
from regexplain.torch_backend.error_map.estimator import FOLDER, Estimator
from regexplain.torch_backend.error_map.features import MAPS
from regexplain.torch_backend.error_map.ground_truth import GroundTruthCase
from regexplain.torch_backend.training.error_map.cases import FeatureCase
from regexplain.torch_backend.training.error_map.trainer import family

LARGE_MM = 2.0
SIZES_MM = 1.0, 2.0, 4.0
MIN_CELLS = 100  # that can be told: a case of fewer is left out
OTHER_ORGANS = ("hippocampus", "prostate")
KINDS = {  # subject → whose image
    "patient": "patient",
    "one": "other patient",
    "head": "made head",
    "shapes": "texture",
    "hippocampus": "hippocampus",
    "prostate": "prostate",
}
DECILES = 10
SIMPLE = {  # predictor → (map of the features, sign)
    "local correlation": ("local correlation", -1),
    "MIND residual": ("cost, scale 1, ±1 cells", 1),
    "best shift": ("best shift, scale 1, ±2 cells", 1),
}


@dataclass(frozen=True, eq=False)
class Judged:
    """(N,) each, of the cells that can be told: error, expected, bound (mm), and the simple predictors."""

    about: dict[str, str]
    error: np.ndarray
    expected: np.ndarray
    bound: np.ndarray
    others: dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--estimator", type=Path, default=FOLDER)
    parser.add_argument("--part", default="test")
    arguments = parser.parse_args()
    use_one_thread()
    estimator = Estimator.load(arguments.estimator)
    every, reference = (list(judged(estimator, arguments.cases, p)) for p in (arguments.part, "calibrate"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    found = [case for case in every if is_head(case)]
    parts = [
        ("engines", grouped(found, lambda case: case.about["engine"]), "engine"),
        ("kinds", grouped(every, kind_of), "pair"),
        ("sizes", grouped(found, size_of), "mean error of the case"),
        ("other_organs", grouped([c for c in every if not is_head(c)], organ_and_engine), "other organ"),
    ]
    texts = [written(arguments.output, *part) for part in parts]
    texts.append(deciles(arguments.output, found))
    texts.append(simple_table(arguments.output, found, reference))
    cells = sum(len(c.error) for c in found)
    texts.append(f"{len(found)} cases of heads and textures, {cells} cells; one thread of {processor()}.")
    text = "\n\n".join(texts)
    (arguments.output / "table.md").write_text(text + "\n", encoding="utf-8")
    plot(arguments.output / "reliability.png", found)
    print(text)


def judged(estimator: Estimator, folder: Path, part: str) -> Iterator[Judged]:
    for path in sorted(folder.glob(f"{part}_*.npz")):
        case = FeatureCase.read(path)
        told, side = case.mask.numpy(), case.cell_mm
        if told.sum() < MIN_CELLS:
            continue
        expected, bound = (side * values[told] for values in estimator.predict(case.features))
        others = {name: sign * case.features[MAPS.index(key)].numpy()[told] for name, (key, sign) in SIMPLE.items()}
        others |= {name: values[told] for name, values in GroundTruthCase.load(path).others.items()}
        yield Judged(case.about, side * case.error.numpy()[told], expected, bound, others)


def kind_of(case: Judged) -> str:
    """Whose images, and their contrasts; those of one image moved have a made contrast beside their own."""
    whose = next(words for start, words in KINDS.items() if case.about["subject"].startswith(start))
    names = [name for name in case.about["kind"].split() if not name.isdigit()]
    return whose if whose == "texture" else f"{whose}, {' and '.join(sorted(names))}"


def size_of(case: Judged) -> str:
    below = [edge for edge in SIZES_MM if case.error.mean() < edge]
    return f"below {below[0]:.0f} mm" if below else f"{SIZES_MM[-1]:.0f} mm and more"


def organ_and_engine(case: Judged) -> str:
    return f"{kind_of(case).split(',')[0]}, {family(case.about['engine'])}"


def is_head(case: Judged) -> bool:
    return not case.about["subject"].startswith(OTHER_ORGANS)


def grouped(cases: Sequence[Judged], key: Callable[[Judged], str]) -> list[dict[str, float | str]]:
    names = sorted({key(case) for case in cases})
    rows = [scores(name, [case for case in cases if key(case) == name]) for name in names]
    return [*rows, scores("all", cases)]


def scores(name: str, cases: Sequence[Judged]) -> dict[str, float | str]:
    """Of all cells of these cases, every case counting alike."""
    error, expected, bound, weight = pooled(cases)
    return {
        "name": name,
        "cases": len(cases),
        "error_mm": float(np.average(error, weights=weight)),
        "mae_mm": float(np.average(np.abs(error - expected), weights=weight)),
        "spearman": spearman(expected, error, weight),
        "auc": area(expected, error > LARGE_MM, weight),
        "below": float(np.average(error <= bound, weights=weight)),
        "bound_mm": float(np.average(bound, weights=weight)),
    }


def pooled(cases: Sequence[Judged]) -> tuple[np.ndarray, ...]:
    error, expected, bound = (np.concatenate([getattr(c, n) for c in cases]) for n in ("error", "expected", "bound"))
    return error, expected, bound, np.concatenate([np.full(len(c.error), 1 / len(c.error)) for c in cases])


def ranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    placed = np.empty(len(values))
    placed[order] = np.cumsum(weight[order]) - weight[order] / 2
    return placed


def spearman(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> float:
    cov = np.cov(ranks(a, weight), ranks(b, weight), aweights=weight)
    return float(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]))


def area(predicted: np.ndarray, large: np.ndarray, weight: np.ndarray) -> float:
    """NaN where all errors are large, or none."""
    if large.all() or not large.any():
        return float("nan")
    order = np.argsort(predicted, kind="stable")
    small_below = np.cumsum(np.where(large, 0, weight)[order])
    return float((small_below * (weight * large)[order]).sum() / (small_below[-1] * weight[large].sum()))


def written(folder: Path, name: str, rows: list[dict[str, float | str]], title: str) -> str:
    write_csv(folder / f"{name}.csv", rows)
    heads = [title, "cases", "error, mm", "mean absolute error, mm", "Spearman", "AUC > 2 mm", "below the 90 % bound"]
    cells = [
        [
            f"{row['name']}{' (unseen)' * (row['name'] in UNSEEN)}",
            str(row["cases"]),
            *(f"{row[key]:.2f}" for key in ("error_mm", "mae_mm", "spearman", "auc")),
            f"{100 * float(row['below']):.0f} %",
        ]
        for row in rows
    ]
    return table(heads, cells)


def deciles(folder: Path, cases: Sequence[Judged]) -> str:
    rows = by_decile(cases)
    write_csv(folder / "deciles.csv", rows)
    cells = [
        [
            f"{row['expected_mm']:.2f}",
            f"{row['median_mm']:.2f}",
            f"{row['bound_mm']:.2f}",
            f"{100 * row['below']:.0f} %",
        ]
        for row in rows
    ]
    return table(["expected, mm", "median error, mm", "bound, mm", "below the bound"], cells)


def by_decile(cases: Sequence[Judged]) -> list[dict[str, float]]:
    error, expected, bound, weight = pooled(cases)
    own = np.minimum((ranks(expected, weight) / weight.sum() * DECILES).astype(int), DECILES - 1)
    rows = []
    for k in range(DECILES):
        there = own == k
        rows.append(
            {
                "expected_mm": float(np.average(expected[there], weights=weight[there])),
                "median_mm": float(np.median(error[there])),
                "p90_mm": float(np.percentile(error[there], 90)),
                "bound_mm": float(np.average(bound[there], weights=weight[there])),
                "below": float(np.average((error <= bound)[there], weights=weight[there])),
            }
        )
    return rows


def simple_table(folder: Path, cases: Sequence[Judged], reference: Sequence[Judged]) -> str:
    rows = []
    for name in dict.fromkeys(n for case in cases for n in case.others):
        own = [case for case in cases if name in case.others]
        known = [case for case in reference if name in case.others]
        error, expected, _, weight = pooled(own)
        value = np.concatenate([case.others[name] for case in own])
        told = value if name not in SIMPLE and not known else in_millimetres(name, known, value)
        rows.append(
            {
                "predictor": name,
                "cases": len(own),
                "mae_mm": float(np.average(np.abs(error - told), weights=weight)),
                "spearman": spearman(value, error, weight),
                "auc": area(value, error > LARGE_MM, weight),
                "map_mae_mm": float(np.average(np.abs(error - expected), weights=weight)),
                "map_spearman": spearman(expected, error, weight),
                "map_auc": area(expected, error > LARGE_MM, weight),
            }
        )
    write_csv(folder / "simple.csv", rows)
    heads = ["predictor", "cases", "MAE, mm", "Spearman", "AUC", "the map's MAE", "its Spearman", "its AUC"]
    keys = ("mae_mm", "spearman", "auc", "map_mae_mm", "map_spearman", "map_auc")
    return table(heads, [[r["predictor"], str(r["cases"]), *(f"{r[key]:.2f}" for key in keys)] for r in rows])


def in_millimetres(name: str, known: Sequence[Judged], value: np.ndarray) -> np.ndarray:
    """The median error of other cases where the predictor had about that value."""
    seen, error = np.concatenate([c.others[name] for c in known]), np.concatenate([c.error for c in known])
    edges = np.quantile(seen, np.linspace(0, 1, 21)[1:-1])
    own = np.searchsorted(edges, seen)
    return np.array([np.median(error[own == k]) for k in range(20)])[np.searchsorted(edges, value)]


def plot(path: Path, cases: Sequence[Judged]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = by_decile(cases)
    expected, middle, high = ([row[key] for row in rows] for key in ("expected_mm", "median_mm", "p90_mm"))
    top = 1.05 * max(expected + middle)
    left.plot([0, top], [0, top], color="grey", linewidth=1)
    left.plot(expected, middle, "o-", label="median error")
    left.plot([row["bound_mm"] for row in rows], high, "s-", label="90 % of errors, against the bound")
    left.set(xlabel="told, mm", ylabel="true, mm", title="By decile of what was expected")
    left.legend()
    engines = grouped(cases, lambda case: case.about["engine"])
    right.axvspan(86, 94, color="lightgrey")
    right.barh([str(row["name"]) for row in engines], [100 * float(row["below"]) for row in engines], height=0.5)
    right.axvline(90, color="black", linewidth=1)
    right.set(xlim=(50, 100), xlabel="errors below the 90 % bound, %", title="By engine")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
