"""Where nothing can be known, the map says so."""

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain.torch_backend.error_map.cell_masks import cell_masks
from regexplain.torch_backend.error_map.cells import cell_pair
from regexplain.volumes.geometry import Grid

IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


def ball(flat: bool = False, noise: float = 0.02) -> sitk.Image:
    """Of 60³ voxels of 2 mm; structured, or flat in its left half (x below the middle)."""
    random = np.random.default_rng(0)
    size = 60
    texture = sitk.GetArrayFromImage(
        sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(random.normal(size=(size,) * 3)), 2.0)
    )
    texture /= texture.std()
    if flat:
        texture[:, :, : size // 2] = 0
    z, y, x = np.ogrid[(slice(-1, 1, size * 1j),) * 3]
    array = np.where(x**2 + y**2 + z**2 < 0.8, 3 + 0.5 * texture, 0) + noise * random.normal(size=(size,) * 3)
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing((2.0, 2.0, 2.0))
    return image


def halves(pair, mask) -> tuple[float, float]:
    """Shares of the cells that are marked, deep in the ball at small x, and at large x."""
    z, y, x = (n // 2 for n in mask.shape)
    deep = slice(z - 3, z + 3), slice(y - 3, y + 3)
    return float(mask[(*deep, slice(x - 7, x - 4))].mean()), float(mask[(*deep, slice(x + 4, x + 7))].mean())


def test_whole_images_can_be_told_everywhere_but_air():
    pair = cell_pair(ball(), ball(), IDENTITY, None)
    masks = cell_masks(pair)
    assert masks["estimated"].sum() > 0.99 * masks["tissue"].sum()
    assert not masks["estimated"][0, 0, 0] and not masks["tissue"][0, 0, 0]


@pytest.mark.parametrize("flat", [("fixed",), ("moving",), ("fixed", "moving")])
def test_flat_tissue_in_one_image_cannot_be_told(flat):
    pair = cell_pair(ball("fixed" in flat), ball("moving" in flat), IDENTITY, None)
    left, right = halves(pair, cell_masks(pair)["flat"])
    assert left == 1 and right == 0


def test_what_the_moving_image_does_not_reach_is_outside_exactly():
    whole = ball()
    part = whole[30:, :, :]
    pair = cell_pair(whole, part, IDENTITY, None)
    masks = cell_masks(pair)
    edge = whole.TransformContinuousIndexToPhysicalPoint((29.5, 0.0, 0.0))[0]
    cells = np.argwhere(masks["tissue"])
    low = pair.cells.world(cells[:, ::-1])[:, 0] - pair.cells.spacing[0] / 2
    assert np.array_equal(masks["outside"][tuple(cells.T)], low < edge - 1e-6)


def test_tissue_that_is_missing_in_the_moving_image_is_called_missing():
    whole = ball(noise=0.0)
    array = sitk.GetArrayFromImage(whole)
    array[:, :, :30] = 0
    pair = cell_pair(whole, Grid.of(whole).image(array), IDENTITY, None)
    left, right = halves(pair, cell_masks(pair)["missing"])
    assert left == 1 and right == 0


def test_what_lies_outside_a_mask_cannot_be_told():
    whole = ball()
    mask = sitk.Image(whole.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(whole)
    mask[:30, :, :] = 1
    pair = cell_pair(whole, whole, IDENTITY, None, (mask, None))
    left, right = halves(pair, cell_masks(pair)["outside"])
    assert left == 0 and right == 1
