"""Outlined lesions that `regexplain changes` marks, and places it marks that are not outlined, patient by patient.

    python benchmarks/changes.py ../shared/data [--model brain-t1-flair]

One contrast: each folder of ms_longitudinal with a `lesion_changes.nii.gz`, on the grid of visit 1's FLAIR, is a
patient: visit 2's FLAIR is aligned to visit 1's by an affine registration (`--model none`), as both show one head.

Two contrasts: each folder of ms_mni is a patient, whose FLAIR and T1 of one visit lie on each other. The FLAIR is held
against what the model draws of it from the T1; outlined are all lesions of 0.05 ml or more, which T1 shows poorly.

Lesions are outlined parts that touch.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from regexplain import RegistrationResult, detect_changes, register
from regexplain.changes import MIN_ML
from regexplain.results.changes import NOISE_SD, Changes
from regexplain.transforms.itk import RegistrationTransform

WORTH_ML = 0.05  # of lesions of one visit: smaller ones are many, and outlined at random


def two_visits(folder: Path, threads: int) -> tuple[Changes, sitk.Image]:
    fixed, moving = (sitk.ReadImage(str(folder / f"visit{visit}_FLAIR.nii.gz")) for visit in (1, 2))
    found = detect_changes(register(fixed, moving, "none", threads=threads))
    return found, sitk.ReadImage(str(folder / "lesion_changes.nii.gz"))


def two_contrasts(folder: Path, model: str, threads: int) -> tuple[Changes, sitk.Image]:
    fixed, moving = (sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat32) for name in ("FLAIR", "T1"))
    still = RegistrationTransform(sitk.AffineTransform(3))
    found = detect_changes(RegistrationResult(fixed, moving, still, still), model=model, threads=threads)
    voxel_ml = float(np.prod(fixed.GetSpacing())) / 1000
    lesions = sitk.ReadImage(str(folder / "lesions.nii.gz")) > 0
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(lesions), int(np.ceil(WORTH_ML / voxel_ml)))
    return found, parts > 0


def scored(found: Changes, lesions: sitk.Image) -> dict[str, float]:
    outlined = sitk.GetArrayFromImage(sitk.ConnectedComponent(lesions > 0))
    values, voxel_ml = sitk.GetArrayFromImage(found.difference), float(np.prod(lesions.GetSpacing())) / 1000
    marked = np.zeros(values.shape, int)
    for sign in (1, -1):
        hit = sitk.GetImageFromArray((sign * values > NOISE_SD).astype(np.uint8))
        parts = sitk.RelabelComponent(sitk.ConnectedComponent(hit), int(np.ceil(MIN_ML / voxel_ml)))
        array = sitk.GetArrayFromImage(parts)
        marked = np.where(array > 0, array + marked.max(), marked)
    numbers = range(1, outlined.max() + 1)
    large = [k for k in numbers if (outlined == k).sum() * voxel_ml > 0.05]
    touched = {int(k) for k in np.unique(outlined[marked > 0])} - {0}
    places = range(1, marked.max() + 1)
    both = float(((outlined > 0) & (marked > 0)).sum())
    return {
        "lesions": len(numbers),
        "marked": len(touched),
        "lesions > 0.05 ml": len(large),
        "of these marked": len(touched & set(large)),
        "places": len(places),
        "not outlined": sum(not outlined[marked == k].any() for k in places),
        "ml outlined": float((outlined > 0).sum() * voxel_ml),
        "ml marked": float((marked > 0).sum() * voxel_ml),
        "ml of both": both * voxel_ml,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="brain-t1-flair", help="that draws")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rows = {
        f"{path.parent.name}, two visits": partial(two_visits, path.parent, options.threads)
        for path in sorted(options.data.glob("ms_longitudinal/*/lesion_changes.nii.gz"))
    } | {
        f"{path.parent.name}, two contrasts": partial(two_contrasts, path.parent, options.model, options.threads)
        for path in sorted(options.data.glob("ms_mni/*/lesions.nii.gz"))
    }
    for name, measure in rows.items():
        row = scored(*measure())
        print(name, ", ".join(f"{key} {value:g}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
