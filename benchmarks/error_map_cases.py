"""Registrations whose error is known in every cell, by many engines: training and test data of the error map.

    build/benchmark/bin/python benchmarks/error_map_cases.py ../shared/data build/error-map/cases

Two images of one subject that lie on each other, one of them moved by a known warp, registered well and badly; and the
same with a synthetic residual in place of a registration. A file a case (`GroundTruthCase`); those that are there
already are kept. README.md beside this file: the environment, the split, and the engines.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from error_map_engines import WRONG_START, Engine, engines_for
from error_map_subjects import SPLIT, Subject, cut, degraded_subject, read_subject, two_contrasts
from error_map_warps import local_residual, random_warp, residual, scale_of, wrong_start
from known_warp import coarse_grid
from measuring import quiet_libraries, use_one_thread
from regexplain.torch_backend.error_map.cells import cell_pair
from regexplain.torch_backend.error_map.ground_truth import GroundTruthCase, true_error
from regexplain.transforms.itk import to_displacement_field
from regexplain.volumes.geometry import Grid

RESIDUALS = {"made": residual, "made, local": local_residual}
ENGINES_A_WARP = {"patient": 5, "head": 3, "one": 3, "hippocampus": 2, "prostate": 2, "shapes": 0}
AT_ONCE = 2  # warps of a subject, as reading it takes as long as registering it
SPOILT = 0.3  # of the pairs that are registered; all pairs of one image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--parts", nargs="*", default=list(SPLIT))
    parser.add_argument("--subjects", nargs="*", default=[], help="these alone; all without")
    parser.add_argument("--made", type=int, default=4, help="made residuals of each sort a subject")
    parser.add_argument("--warps", type=int, default=8, help="known warps a subject")
    arguments = parser.parse_args()
    use_one_thread()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for block in range(0, max(arguments.warps, arguments.made), AT_ONCE):
        for part in arguments.parts:
            for name in [s for s in SPLIT[part] if s in (arguments.subjects or SPLIT[part])]:
                for number in range(block, block + AT_ONCE):
                    make(arguments, part, name, number)


def make(arguments: argparse.Namespace, part: str, name: str, number: int) -> None:
    random = np.random.default_rng([number, *name.encode()])
    names = two_contrasts(name, random)
    engines = chosen_engines(arguments.output, name, names, part, number) if number < arguments.warps else {}
    residuals = RESIDUALS if number < arguments.made else {}
    if all(case_file(arguments.output, part, name, number, engine).exists() for engine in [*engines, *residuals]):
        return
    whole = "head" not in name or any(engine.startswith("RegExplain") for engine in engines)
    subject = read_subject(arguments.data, name, names, whole, random)
    small = cut(subject, random)
    for kind, made in residuals.items():
        drawn = np.random.default_rng([number, *name.encode(), *kind.encode()])
        write(arguments.output, part, subject, kind, number, partial(synthetic_residual, small, names, made, drawn))
    for engine, found in engines.items():
        drawn = np.random.default_rng([number, *name.encode(), *engine.encode()])
        seen = subject if engine.startswith("RegExplain") else small
        write(arguments.output, part, seen, engine, number, partial(run, seen, names, engine, found, drawn))


def chosen_engines(folder: Path, subject: str, contrasts: tuple[str, str], part: str, number: int) -> dict[str, Engine]:
    """Those that came least often in this part, where this warp has not had its number of them yet."""
    known = engines_for(subject, contrasts, part)
    some = next(count for kind, count in ENGINES_A_WARP.items() if subject.startswith(kind)) if known else 0
    some -= sum(case_file(folder, part, subject, number, name).exists() for name in known)
    often = {name: len(list(folder.glob(case_file(folder, part, "*", "*", name).name))) for name in known}
    order = np.random.default_rng([number, *subject.encode()]).permutation(sorted(known)).tolist()
    return {name: known[name] for name in sorted(order, key=often.__getitem__)[: max(0, some)]}


def write(
    folder: Path, part: str, subject: Subject, engine: str, number: int, found: Callable[[], GroundTruthCase]
) -> None:
    path = case_file(folder, part, subject.name, number, engine)
    if path.exists():
        return
    began = time.process_time()
    try:
        with quiet_libraries():
            case = found()
    except Exception as error:
        print(f"{path.name}: {error}", file=sys.stderr, flush=True)
        return
    case.about.update(part=part, subject=subject.name, engine=engine, seed=str(number))
    case.save(path)
    spent = time.process_time()
    print(f"{spent:.0f} s: {path.name}: {case.error.mean():.2f} mm, {spent - began:.1f} s", flush=True)


def case_file(folder: Path, part: str, subject: str, number: int | str, engine: str) -> Path:
    return folder / f"{part} {subject} {number} {engine}.npz".replace(" ", "_").replace(",", "")


def synthetic_residual(
    subject: Subject,
    names: tuple[str, str],
    made: Callable[[sitk.Image, np.random.Generator], sitk.Transform],
    random: np.random.Generator,
) -> GroundTruthCase:
    """The moving image as it is, seen through the residual; the field that is looked at is another one plus that."""
    here, there = degraded_subject(subject, names, random)
    wrong = made(here, random)
    grid = coarse_grid(here, 4.0 * scale_of(here))
    field = sitk.GetArrayFromImage(to_displacement_field(wrong, grid))
    if random.random() < 0.2:
        shown = None
    else:
        warp = sitk.GetArrayFromImage(to_displacement_field(random_warp(here, random), grid))
        shown = grid.image(field + warp * random.choice([0, 1], p=[0.1, 0.9]), vector=True)
    pair = cell_pair(here, there, wrong, shown)
    error = true_error(wrong, sitk.Transform(3, sitk.sitkIdentity), pair.cells)
    return GroundTruthCase(pair, error, {"kind": " ".join(names)})


def run(
    subject: Subject, names: tuple[str, str], name: str, engine: Engine, random: np.random.Generator
) -> GroundTruthCase:
    """The map looks at the images with smaller voxels, where there are; the engine at those of 2 mm."""
    kind = " ".join(names)
    if names[0] == names[1] or random.random() < SPOILT:
        here, there = degraded_subject(replace(subject, fine=None), names, random)
        subject = Subject(subject.name, {"fixed": here, "moving": there})
        names = "fixed", "moving"
    fixed, still = (subject.images[contrast] for contrast in names)
    warp = random_warp(fixed, random)
    if WRONG_START in name:
        warp = sitk.CompositeTransform([warp, wrong_start(fixed, random)])
    transform, displacement, predictors = engine(fixed, Grid.of(still).resample(still, warp))
    if subject.fine is not None:
        fixed, still = (subject.fine[contrast] for contrast in names)
    pair = cell_pair(fixed, Grid.of(still).resample(still, warp), transform, displacement)
    error = true_error(transform, warp, pair.cells)
    return GroundTruthCase(pair, error, {"kind": kind}, {k: p(pair.cells) for k, p in predictors.items()})


if __name__ == "__main__":
    main()
