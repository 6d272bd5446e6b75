"""Does the verdict notice registrations that fail on purpose, and does it leave ordinary ones alone?

    python benchmarks/trust_failures.py ../shared/data [--pairs 30] [--only ordinary mirrored]

Heads that brain-t1-flair was not trained on, each twice in two contrasts or in one, and the same pairs made to fail,
one way at a time (failure_cases.py). Each is registered as a user would, `regexplain register` with its error map, and
its result.json kept: build/trust/cases has a file a case, and those that are there are not made again. The verdict is
a function of result.json alone, so the table is remade from these files. Odd seeds, of some heads, are those that the
limits of the verdict were chosen on; even seeds, of other heads, are those that are reported. `--pairs 0 --chosen-on
0` makes the tables of what is there.

Writes to build/trust: cases/*.json, verdicts.csv (a row a case), trust.md (the tables).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import SimpleITK as sitk
from scipy.stats import binomtest
from tqdm import tqdm

from failure_cases import ASKED, FAILURES, Case, Heads
from known_warp import random_warp, tissue
from measuring import table, use_one_thread
from regexplain import RegistrationResult, register
from regexplain.explanation import expected_error, trust
from regexplain.registration import deformation
from regexplain.report.verdict import VERDICTS, checks, worst_state
from regexplain.results.tables import write_csv
from regexplain.torch_backend.inference.prediction import Prediction
from regexplain.transforms.inversion import invert_displacement
from regexplain.transforms.itk import to_displacement_field
from regexplain.volumes.geometry import Grid

ORDINARY, NAMED = "ordinary", "ordinary, model named"
KINDS = [ORDINARY, NAMED, *FAILURES]
CHECKS = (
    *("Expected error", "Missing tissue", "Counterparts", "Left and right"),
    *("Ghosting", "Content", "Deformation", "Folding", "There and back", "Warnings"),
)
CHOSEN_ON = ("head_13", "patient07", "head_15_brain")
REPORTED = ("head_14", "patient19", "head_16_brain", "patient12_visit1")
OTHER = {  # whose image a wrong patient's is
    "head_13": "head_15",
    "head_15_brain": "head_13_brain",
    "head_14": "head_16",
    "head_16_brain": "head_14_brain",
    "patient07": "patient19",
    "patient19": "patient07",
    "patient12_visit1": "patient04_visit1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="with ms_mni, ms_longitudinal and brain_labels")
    parser.add_argument("--pairs", type=int, default=30, help="of each kind, that are reported")
    parser.add_argument("--chosen-on", type=int, default=6, help="of each kind, for choosing")
    parser.add_argument("--only", nargs="*", default=KINDS)
    parser.add_argument("--indicators", type=int, default=0, help="pairs whose three indicators are measured too")
    parser.add_argument("--output", type=Path, default=Path("build/trust"))
    arguments = parser.parse_args()
    use_one_thread()
    make_cases(arguments)
    report(arguments.output)


def make_cases(arguments: argparse.Namespace) -> None:
    heads = Heads(arguments.data)
    folder = arguments.output / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [2 * n + 1 for n in range(arguments.chosen_on)] + [2 * n for n in range(arguments.pairs)]
    for seed in tqdm(seeds, disable=None):
        subject = subject_of(seed)
        files = {kind: folder / f"{seed:03d}-{kind.replace(',', '').replace(' ', '-')}.json" for kind in arguments.only}
        missing = {kind: file for kind, file in files.items() if not file.is_file()}
        if not missing:
            continue
        pair = heads.pair(subject, seed)
        for kind, file in missing.items():
            case = made_case(kind, pair, heads)
            record = measured(case, indicators=seed % 2 == 0 and seed // 2 < arguments.indicators)
            row = {"kind": kind, "subject": subject, "seed": seed, "contrasts": case.names, "record": record}
            file.with_suffix(".part").write_text(json.dumps(row), encoding="utf-8")
            file.with_suffix(".part").replace(file)


def made_case(kind: str, pair: Case, heads: Heads) -> Case:
    if kind == NAMED:
        return replace(pair, model=ASKED)
    return pair if kind == ORDINARY else FAILURES[kind](pair, heads, OTHER[pair.subject])


def subject_of(seed: int) -> str:
    among = CHOSEN_ON if seed % 2 else REPORTED
    return among[seed // 2 % len(among)]


def measured(case: Case, indicators: bool) -> dict[str, Any]:
    """result.json as `regexplain register` would leave it."""
    if case.wrong_mm:
        with patch.object(deformation, "_predict", lambda *_: wrong_prediction(case)):
            result = register(case.fixed, case.moving, case.model, threads=1)
    else:
        result = register(case.fixed, case.moving, case.model, threads=1)
    return with_parts(result, indicators)


def with_parts(result: RegistrationResult, indicators: bool) -> dict[str, Any]:
    record = result.record | {"error": expected_error(result, threads=1).record}
    model = record["model"]
    if indicators and model is not None and model["name"] == "brain-t1-flair":
        record["trust"] = trust(result, threads=1).record
    return record


def wrong_prediction(case: Case) -> Prediction:
    warp = random_warp(case.fixed, tissue(case.fixed), case.random("wrong field"), case.wrong_mm)
    field = sitk.Cast(to_displacement_field(warp, Grid.of(case.fixed).subsampled(2)), sitk.sitkVectorFloat64)
    inverse = sitk.Cast(invert_displacement(field), sitk.sitkVectorFloat64)
    return Prediction(field, inverse, {}, None)


# Reporting -----------------------------------------------------------------------------------------------------------


def report(folder: Path) -> None:
    rows = [judged(json.loads(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("cases/*.json"))]
    write_csv(folder / "verdicts.csv", rows)
    parts = {"Reported": [r for r in rows if r["seed"] % 2 == 0], "Chosen on": [r for r in rows if r["seed"] % 2]}
    text = "\n\n".join(f"{name}:\n\n{verdicts(part)}" for name, part in parts.items() if part)
    (folder / "trust.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def judged(case: dict[str, Any]) -> dict[str, Any]:
    record = case["record"]
    found = checks(record)
    names = {key: case[key] for key in ("kind", "subject", "seed")} | {"contrasts": " ".join(case["contrasts"])}
    loud = {check.name: check.state for check in found if check.state in ("look", "stop")}
    figures = {
        "expected_mm": record["error"]["expected_mm"]["mean"],
        "share_above_3mm": record["error"]["share_above_3mm"],
        "missing": record["error"]["not_told"]["missing"],
        "unlike_ml": (record.get("counterparts") or {"largest_ml": None})["largest_ml"],
        "model": (record["model"] or {"name": "none"})["name"],
    }
    return (
        names | {"verdict": VERDICTS[worst_state(found)[0]]} | figures | {name: loud.get(name, "") for name in CHECKS}
    )


def verdicts(rows: list[dict[str, Any]]) -> str:
    """A row a kind: how many stand out (look here, or do not use), with a 95 % interval after Wilson, and by what."""
    cells = []
    for kind in KINDS:
        own = [row for row in rows if row["kind"] == kind]
        if not own:
            continue
        stand_out = sum(row["verdict"] != VERDICTS["ok"] for row in own)
        low, high = binomtest(stand_out, len(own)).proportion_ci(method="wilson")
        stopped = sum(row["verdict"] == VERDICTS["stop"] for row in own)
        by = [f"{sum(bool(row[name]) for row in own)}" for name in CHECKS]
        interval = f"{100 * low:.0f} – {100 * high:.0f} %"
        cells.append([kind, str(len(own)), f"{100 * stand_out / len(own):.0f} %", interval, str(stopped), *by])
    return table(["pairs", "number", "stand out", "95 % interval", "do not use", *map(str.lower, CHECKS)], cells)


if __name__ == "__main__":
    main()
