"""Whether `regexplain population` finds a group that was planted: half of a cohort is bent by a known motion.

    .venv/bin/python benchmarks/cohort_groups.py ../shared/data --output build/cohort-groups

Training cases of the hippocampus are registered to one of them. Before that every other one is turned by DEGREES about
the patient's left-right axis. The table has the planted groups and shuffled ones.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from regexplain.transforms.itk import affine_transform
from regexplain.volumes.case_files import numbered_cases
from regexplain.volumes.geometry import Grid

LAST_TRAINING = 310
DEGREES = 12.0
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=40)
    arguments = parser.parse_args()
    folder = arguments.data / "hippocampus"
    cases = numbered_cases(folder / "images", folder / "labels", 1, LAST_TRAINING)[: arguments.pairs + 1]
    table = written(cases, arguments.output)
    study = arguments.output / "study"
    regexplain = [sys.executable, "-m", "regexplain"]
    subprocess.run([*regexplain, "cohort", table, "--output", study, "--model", "hippocampus"], check=True)
    for of in ("displacement", "log-jacobian"):
        by = ["--by", "planted", "--by", "shuffled"] if of == "displacement" else []
        print(f"--of {of}", flush=True)
        subprocess.run([*regexplain, "population", study, "--of", of, *by], check=True)
    print("--of latent", flush=True)
    subprocess.run([*regexplain, "population", study, "--of", "latent"], check=True)


def written(cases: list[tuple[Path, Path]], output: Path) -> Path:
    """The table, and the moving images that it names, every other one turned."""
    (output / "images").mkdir(parents=True, exist_ok=True)
    (atlas, of_atlas), *others = cases
    shuffled = np.random.default_rng(SEED).permutation([index % 2 for index in range(len(others))])
    lines = ["id\tfixed\tmoving\tfixed_segmentation\tmoving_segmentation\tplanted\tshuffled"]
    for index, files in enumerate(others):
        planted, names = index % 2, []
        for kind, file in zip(("image", "labels"), files, strict=True):
            image = sitk.ReadImage(str(file))
            names.append(output / "images" / f"{index:03d}-{kind}.nii.gz")
            if not names[-1].exists():
                sitk.WriteImage(turned(image, planted * DEGREES, nearest=kind == "labels"), str(names[-1]))
        groups = ("still", "turned")[planted], "ab"[shuffled[index]]
        row = (
            f"p{index:03d}",
            atlas.absolute(),
            names[0].absolute(),
            of_atlas.absolute(),
            names[1].absolute(),
            *groups,
        )
        lines.append("\t".join(map(str, row)))
    table = output / "pairs.tsv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def turned(image: sitk.Image, degrees: float, nearest: bool) -> sitk.Image:
    """The anatomy turned about its middle and +L by the right-hand rule, so anterior goes down for a positive angle.

    The field goes from fixed to moving points, so it turns as the anatomy does."""
    angle, grid = np.radians(degrees), Grid.of(image)
    matrix = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    there = affine_transform(matrix, grid.centre - matrix @ grid.centre)
    return grid.resample(image, there.GetInverse(), nearest=nearest)


if __name__ == "__main__":
    main()
