"""Does a network answer to moved copies of a pair differently where it is wrong?

    python benchmarks/equivariance.py ../shared/data [--model brain-t1-flair] [--copies 4] [--seeds 0 1]

Both patients of ms_mni: T1 fixed, the FLAIR of the same visit moved by a known warp (as in multimodal_peers.py). Over
those points of the brain where the error map tells an error: the error of the registration against the map of
`trust --equivariance`, against the error map, and against the size of the displacement, a guess that needs neither.
Spearman's correlation, and AUC, how well each tells points that are off by more than 2 mm. Of patient07 the error map's
estimator was trained on other warps; of patient19 nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

import regexplain
from known_warp import lengths, points_inside, random_warp, resampled, tissue
from regexplain.explanation import equivariance
from regexplain.results.expected_error import STATES
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_volume

SPACING_MM, WRONG_MM = 2.0, 2.0
PATIENTS = "patient07", "patient19"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with ms_mni/PATIENT/{T1,FLAIR}.nii.gz")
    parser.add_argument("--model", default="brain-t1-flair")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1], help="of the known warps")
    arguments = parser.parse_args()
    means, tells = "error, mm | spread, mm | expected, mm", "spread | expected | moved"
    print(f"| pair | {means} | Spearman: {tells} | AUC: {tells} |")
    print("|---" * 10 + "|")
    rows = []
    for patient in PATIENTS:
        for seed in arguments.seeds:
            found = measured(arguments, patient, seed)
            rows.append(found)
            print(row(f"{patient}, warp {seed}", found), flush=True)
    print(row("mean", np.mean(rows, 0)))


def measured(arguments: argparse.Namespace, patient: str, seed: int) -> np.ndarray:
    """(9,): the figures of a row."""
    t1, flair = (
        resampled(sitk.Cast(read_volume(arguments.data / "ms_mni" / patient / name), sitk.sitkFloat32), SPACING_MM)
        for name in ("T1.nii.gz", "FLAIR.nii.gz")
    )
    inside = tissue(t1)
    points, warp = points_inside(t1, inside), random_warp(t1, inside, np.random.default_rng(seed))
    moving = Grid.of(t1).resample(flair, warp)
    result = regexplain.register(t1, moving, arguments.model, initial_transform=sitk.AffineTransform(3), device="cpu")
    maps = regexplain.expected_error(result)
    points = points[at(maps.told, points) == STATES["estimated"]]
    error, moved = (lengths(result.transform.itk(), other, points) for other in (warp, sitk.Transform()))
    spread = at(equivariance(result, arguments.copies, device="cpu").spread, points)
    guesses = spread, at(maps.expected, points), moved
    ranks = [spearmanr(guess, error)[0] for guess in guesses]
    areas = [roc_auc_score(error > WRONG_MM, guess) for guess in guesses]
    return np.array([error.mean(), spread.mean(), guesses[1].mean(), *ranks, *areas])


def at(image: sitk.Image, points: np.ndarray) -> np.ndarray:
    index = [image.TransformPhysicalPointToIndex(point) for point in points.tolist()]
    return np.array([image[i] for i in index])


def row(name: str, found: np.ndarray) -> str:
    return f"| {name} | " + " | ".join(f"{value:.2f}" for value in found) + " |"


if __name__ == "__main__":
    main()
