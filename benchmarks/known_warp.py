"""A warp that is known, and how far a registration is from undoing it. Points and vectors are LPS mm."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from regexplain.transforms.itk import displacement_transform
from regexplain.volumes.geometry import Grid

CELL_MM = 4.0
WIDTH_MM = 12.0
RMS_MM = 4.0
POINTS = 4000


def resampled(image: sitk.Image, spacing: float) -> sitk.Image:
    """Linearly, on cells of `spacing` mm whose first centre is the image's own."""
    size = [round(n * s / spacing) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    return Grid(tuple(size), (spacing,) * 3, image.GetOrigin(), image.GetDirection()).resample(image)


def tissue(image: sitk.Image) -> np.ndarray:
    """(z, y, x), True where a skull-stripped image is brighter than a twentieth of its 99th percentile."""
    array = sitk.GetArrayFromImage(image)
    return array > 0.05 * np.percentile(array, 99)


def random_warp(
    image: sitk.Image, inside: np.ndarray, random: np.random.Generator, rms_mm: float = RMS_MM
) -> sitk.Transform:
    """White noise on cells of 4 mm, smoothed by a Gaussian of 12 mm; `rms_mm` root mean square length `inside`."""
    own, grid = Grid.of(image), coarse_grid(image, CELL_MM)
    within = sitk.GetArrayFromImage(grid.resample(own.image(inside.astype(np.uint8)), nearest=True)) > 0
    return displacement_transform(grid.image(bend(within, WIDTH_MM, rms_mm, random), vector=True))


def coarse_grid(image: sitk.Image, cell: float) -> Grid:
    """Of cells of `cell` mm, whose first centre is the image's own."""
    own = Grid.of(image)
    size = [int(n * s / cell) + 1 for n, s in zip(own.size, own.spacing, strict=True)]
    return Grid(tuple(size), (cell,) * 3, own.origin, own.direction)


def bend(inside: np.ndarray, width: float, rms: float, random: np.random.Generator) -> np.ndarray:
    """(z, y, x, 3), `rms` mm inside: white noise, smoothed by a Gaussian of `width` mm where cells are CELL_MM."""
    noise = random.normal(size=(*inside.shape, 3))
    field = np.stack([smoothed(noise[..., axis], width / CELL_MM) for axis in range(3)], -1)
    return field * (rms / np.sqrt((field[inside] ** 2).sum(-1).mean()))


def smoothed(array: np.ndarray, sigma: float) -> np.ndarray:
    """sigma: cells."""
    return sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(array), sigma))


def points_inside(image: sitk.Image, inside: np.ndarray) -> np.ndarray:
    """(4000, 3), the middles of voxels drawn from those `inside`, always the same ones."""
    voxels = np.argwhere(inside)
    drawn = np.random.default_rng(0).choice(len(voxels), min(POINTS, len(voxels)), replace=False)
    return Grid.of(image).world(voxels[drawn][:, ::-1])


def lengths(first: sitk.Transform, then: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """|then(first(p)) − p| for each point, mm: 0 where the second undoes the first."""
    moved = [then.TransformPoint(first.TransformPoint(point)) for point in points.tolist()]
    return np.linalg.norm(np.array(moved) - points, axis=1)
