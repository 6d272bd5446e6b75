"""Known warps, residuals drawn in place of a registration's, degraded images. Points and vectors are LPS mm.

Lengths are those of heads; in smaller images all are smaller, as the cells of the error map are.
"""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from known_warp import bend, coarse_grid, smoothed
from regexplain.torch_backend.error_map.cells import CELL_MM, cell_size
from regexplain.transforms.itk import affine_transform, displacement_transform, grid_points
from regexplain.volumes.geometry import Grid
from regexplain.volumes.intensities import tissue_mask


def scale_of(image: sitk.Image) -> float:
    """1 for a head, less for an image of smaller cells."""
    grid = Grid.of(image)
    return min(1.0, cell_size(grid, grid.extent) / CELL_MM) if grid.extent.max() < 100 else 1.0


def random_warp(image: sitk.Image, random: np.random.Generator) -> sitk.Transform:
    """Bends of 8 to 24 mm in width and 1 to 6 mm in root mean square length within the tissue."""
    grid, inside, scale = coarse(image)
    width, rms = drawn(random, 8, 24), drawn(random, 1, 6) * scale
    return displacement_transform(grid.image(bend(inside, width, rms, random), vector=True))


def wrong_start(image: sitk.Image, random: np.random.Generator) -> sitk.AffineTransform:
    """A turn of some 10° and a shift of 5 to 20 mm."""
    turn = sitk.Euler3DTransform(Grid.of(image).centre.tolist(), *np.radians(random.normal(0, 7, 3)).tolist())
    towards = random.normal(size=3)
    turn.SetTranslation((drawn(random, 5, 20) * scale_of(image) * towards / np.linalg.norm(towards)).tolist())
    return turn


def residual(image: sitk.Image, random: np.random.Generator) -> sitk.Transform:
    """Bends of every size, strong in some places and weak in others; now and then a turn and a shift."""
    grid, inside, scale = coarse(image)
    field = np.zeros((*inside.shape, 3))
    for _ in range(int(random.integers(1, 4))):
        part = bend(inside, drawn(random, 6, 40), drawn(random, 0.2, 6) * scale, random)
        if random.random() < 0.7:
            place = smoothed(random.normal(size=inside.shape), random.uniform(4, 12))
            part *= np.clip(place / place.std() + random.uniform(-0.5, 1), 0, 2)[..., None]
        field += part
    bending = displacement_transform(grid.image(field, vector=True))
    if random.random() < 0.4:
        return sitk.CompositeTransform([small_affine(image, random), bending])
    return bending


def local_residual(image: sitk.Image, random: np.random.Generator) -> sitk.Transform:
    """A few places that are wrong, in an image that lies well otherwise."""
    grid, inside, scale = coarse(image)
    field = bend(inside, random.uniform(10, 30), drawn(random, 0.05, 0.6) * scale, random)
    cells = np.argwhere(inside)
    for _ in range(int(random.integers(1, 4))):
        place = grid.world(cells[random.integers(len(cells))][::-1])
        away = np.linalg.norm(grid_points(grid) - place, axis=-1)
        towards = random.normal(size=3)
        far = random.uniform(2, 8) * scale * towards / np.linalg.norm(towards)
        field += np.exp(-((away / (scale * random.uniform(7, 18))) ** 2) / 2)[..., None] * far
    return displacement_transform(grid.image(field, vector=True))


def small_affine(image: sitk.Image, random: np.random.Generator) -> sitk.AffineTransform:
    size = drawn(random, 0.2, 2)
    matrix = np.eye(3) + size * random.normal(0, 0.02, (3, 3))
    centre = Grid.of(image).centre
    return affine_transform(matrix, centre - matrix @ centre + scale_of(image) * size * random.normal(0, 1.5, 3))


def coarse(image: sitk.Image) -> tuple[Grid, np.ndarray, float]:
    """A grid of 4 mm, less in a small image; where on it the image shows tissue, (z, y, x); and `scale_of` it."""
    scale = scale_of(image)
    grid = coarse_grid(image, CELL_MM * scale)
    mask = Grid.of(image).image(tissue_mask(image).astype(np.uint8))
    return grid, sitk.GetArrayFromImage(grid.resample(mask, nearest=True)) > 0, scale


def drawn(random: np.random.Generator, low: float, high: float) -> float:
    """Evenly in its logarithm."""
    return math.exp(random.uniform(math.log(low), math.log(high)))


def degraded(image: sitk.Image, random: np.random.Generator) -> sitk.Image:
    """More noise, less sharpness, thicker slices, a bias, another contrast, a missing place; often nothing."""
    grid, array = Grid.of(image), sitk.GetArrayFromImage(image).astype(np.float32)
    top = float(np.percentile(array, 99.5)) + 1e-6
    if random.random() < 0.3:
        voxel = float(np.mean(grid.spacing)) / 2
        image = sitk.SmoothingRecursiveGaussian(grid.image(array), voxel * random.uniform(0.5, 1.8))
        array = sitk.GetArrayFromImage(image)
    if random.random() < 0.2:
        axis, n = int(random.integers(3)), int(random.integers(2, 4))
        kernel = np.ones(n) / n
        array = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), axis, array)
    if random.random() < 0.2:
        line = np.r_[0, random.uniform(0.05, 1, 4)]
        array = top * np.interp(array / top, np.linspace(0, 1, 5), line).astype(np.float32)
    if random.random() < 0.4:
        bias = smoothed(random.normal(size=array.shape), 20)
        array = array * np.exp(0.15 * bias / bias.std())
    if random.random() < 0.15:
        blob = smoothed(random.normal(size=array.shape), random.uniform(3, 8))
        array = np.where(blob > 2.2 * blob.std(), top * random.uniform(0, 1.2), array)
    if random.random() < 0.6:
        sd = top * random.uniform(0.005, 0.06)
        array = np.hypot(array + sd * random.normal(size=array.shape), sd * random.normal(size=array.shape))
    return grid.image(array.astype(np.float32))


def recontrasted(image: sitk.Image, random: np.random.Generator, speckle: float = 0.0) -> sitk.Image:
    """The same anatomy in a contrast that was made: its intensities along a random curve, air left dark."""
    grid, array = Grid.of(image), sitk.GetArrayFromImage(image).astype(np.float32)
    top = float(np.percentile(array, 99.5)) + 1e-6
    smooth = smoothed(array, 0.7)
    line = np.r_[0, random.uniform(0.1, 1, 5)]
    made = np.interp(smooth / top, np.linspace(0, 1, 6), line)
    if speckle:
        grains = smoothed(random.normal(size=made.shape), 0.7)
        made = made * np.exp(speckle * grains / grains.std())
    sd = random.uniform(0.005, 0.04)
    return grid.image(
        np.hypot(made + sd * random.normal(size=made.shape), sd * random.normal(size=made.shape)).astype(np.float32)
    )
