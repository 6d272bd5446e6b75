#!/usr/bin/env python
"""One picture a result folder: the middle coronal slice of fixed, of moving as its headers say, of moving warped, and
the displacement as arrows of true length.

    python tools/pair_pictures.py RESULT... --output docs/pictures
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import SimpleITK as sitk

from regexplain.results.registration_result import RegistrationResult
from regexplain.volumes.geometry import Grid

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ARROWS = 24  # across the picture
TITLES = "fixed", "moving as its headers say", "moving, warped", "displacement"


def draw(result, path):
    grid = Grid.of(result.fixed)
    images = [sitk.GetArrayFromImage(i) for i in (result.fixed, grid.resample(result.moving), result.warped_moving)]
    middle, aspect = grid.size[1] // 2, grid.spacing[2] / grid.spacing[0]
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.6))
    for axis, image, title in zip(axes, [*images, images[0]], TITLES, strict=True):
        low, high = np.percentile(image, (1, 99))
        axis.imshow(image[:, middle], cmap="gray", origin="lower", aspect=aspect, vmin=low, vmax=high)
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    if result.transform.displacement is not None:
        step = -(-grid.size[0] // ARROWS)
        rows, columns = np.mgrid[0 : grid.size[2] : max(1, round(step / aspect)), 0 : grid.size[0] : step]
        vectors = sitk.GetArrayViewFromImage(result.transform.displacement)[rows, middle, columns] @ grid.axes
        across, up = (vectors[..., axis] / grid.spacing[axis] for axis in (0, 2))
        length = np.linalg.norm(vectors, axis=-1)
        axes[3].quiver(
            columns, rows, across, up, length, angles="xy", scale_units="xy", scale=1, cmap="autumn", width=0.006
        )
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    for folder in arguments.results:
        draw(RegistrationResult.load(folder), arguments.output / f"{folder.name}.png")


if __name__ == "__main__":
    main()
