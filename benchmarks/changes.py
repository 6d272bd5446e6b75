"""Outlined lesions that `regexplain changes` marks, and places it marks that are not outlined, patient by patient.

    python benchmarks/changes.py ../shared/data/ms_longitudinal

Each folder with a `lesion_changes.nii.gz`, on the grid of visit 1's FLAIR, is a patient: visit 2's FLAIR is aligned to
visit 1's by an affine registration (`--model none`), as both show one head. Lesions are outlined parts that touch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from regexplain import detect_changes, register
from regexplain.changes import LEAST_ML
from regexplain.results.changes import NOISE_SD


def scored(folder: Path, threads: int) -> dict[str, float]:
    fixed, moving = (sitk.ReadImage(str(folder / f"visit{visit}_FLAIR.nii.gz")) for visit in (1, 2))
    found = detect_changes(register(fixed, moving, "none", threads=threads))
    lesions_image = sitk.ReadImage(str(folder / "lesion_changes.nii.gz"))
    outlined = sitk.GetArrayFromImage(sitk.ConnectedComponent(lesions_image > 0))
    values, voxel_ml = sitk.GetArrayFromImage(found.difference), float(np.prod(fixed.GetSpacing())) / 1000
    marked = np.zeros(values.shape, int)
    for sign in (1, -1):
        hit = sitk.GetImageFromArray((sign * values > NOISE_SD).astype(np.uint8))
        parts = sitk.RelabelComponent(sitk.ConnectedComponent(hit), int(np.ceil(LEAST_ML / voxel_ml)))
        array = sitk.GetArrayFromImage(parts)
        marked = np.where(array > 0, array + marked.max(), marked)
    lesions = range(1, outlined.max() + 1)
    large = [k for k in lesions if (outlined == k).sum() * voxel_ml > 0.05]
    touched = {int(k) for k in np.unique(outlined[marked > 0])} - {0}
    places = [k for k in range(1, marked.max() + 1)]
    return {
        "lesions": len(lesions),
        "marked": len(touched),
        "lesions > 0.05 ml": len(large),
        "of these marked": len(touched & set(large)),
        "places": len(places),
        "not outlined": sum(not outlined[marked == k].any() for k in places),
        "ml outlined": float((outlined > 0).sum() * voxel_ml),
        "ml marked": float((marked > 0).sum() * voxel_ml),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for path in sorted(options.folder.glob("*/lesion_changes.nii.gz")):
        row = scored(path.parent, options.threads)
        print(path.parent.name, ", ".join(f"{name} {value:g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
