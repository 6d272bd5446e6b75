"""Components of the motions between twelve prostates, each predicted from the others, for each modality by itself.

    .venv/bin/python benchmarks/prostate_components.py ../shared/data/prostate_mr_us

Every case is registered to the first one by `any-contrast`. The displacements after the affine are decomposed (PCA)
with one case left out, and the share of that case's that lies in the components of the others is measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from measuring import use_one_thread
from regexplain import register
from regexplain.latent.components import LatentComponents
from regexplain.results.tables import write_csv
from regexplain.studies.claim import bootstrap_mean
from regexplain.transforms.itk import resample_displacement
from regexplain.volumes.geometry import Grid, centred_grid
from regexplain.volumes.images import read_segmentation, read_volume
from transform_scores import scores

GLAND = 1
COUNTS = 1, 2, 4, 8
COARSER = 2  # voxels of the fixed image that a vector stands for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path("build/prostate-components"))
    arguments = parser.parse_args()
    use_one_thread()
    rows = [row for modality in ("mr", "us") for row in of_modality(arguments.data, modality)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_csv(arguments.output / "components.csv", rows)
    for row in rows:
        print(row)


def of_modality(data: Path, modality: str) -> list[dict[str, object]]:
    """A row a number of components: mean over the cases, with the 95 % bootstrap interval."""
    files = sorted(data.glob(f"*_{modality}.nii.gz"))
    fields, before, after = [], [], []
    fixed, fixed_labels = case(files[0])
    for file in files[1:]:
        moving, labels = case(file)
        result = register(fixed, moving, "any-contrast", device="cpu", threads=1)
        fields.append(vectors(result.transform.displacement, Grid.of(fixed)))
        for found, transform in ((before, result.transform.alignment), (after, result.transform.itk())):
            found.append(scores(transform, fixed_labels == GLAND, labels == GLAND)["dice"])
    stacked = np.stack(fields)
    rows = []
    for count in COUNTS:
        shares = [explained(stacked, left_out, count) for left_out in range(len(stacked))]
        low, high = bootstrap_mean(np.array(shares))
        within = 100 * LatentComponents.fit(stacked).explained_variance[:count].sum()
        rows.append(
            {"modality": modality, "cases": len(stacked), "components": count, "of_those_fitted_percent": float(within)}
            | {"left_out_percent": float(np.mean(shares)), "low": low, "high": high}
            | {"dice_affine": float(np.mean(before)), "dice_after": float(np.mean(after))}
        )
    return rows


def case(file: Path) -> tuple[sitk.Image, sitk.Image]:
    image = read_volume(file)
    return image, read_segmentation(file.with_name(file.name.replace(".nii", "_labels.nii")), image, "labels")


def vectors(displacement: sitk.Image, fixed: Grid) -> np.ndarray:
    """(n,): on coarser cells over the fixed image."""
    size = [n // COARSER for n in fixed.size]
    grid = centred_grid(fixed.centre, size, fixed.extent / size, fixed.direction)
    return sitk.GetArrayFromImage(resample_displacement(displacement, grid)).ravel()


def explained(fields: np.ndarray, left_out: int, count: int) -> float:
    """Percent of a field's squared distance from the others' mean within the first components of the others."""
    others = np.delete(fields, left_out, 0)
    components = LatentComponents.fit(others, count)
    away = fields[left_out] - components.mean
    return float(100 * ((components.basis @ away) ** 2).sum() / (away**2).sum())


if __name__ == "__main__":
    main()
