"""A mirrored image is told from one that is not, in any contrast and however the scans are stored."""

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain.transforms.itk import affine_transform
from regexplain.transforms.mirroring import gain_of_mirroring
from regexplain.transforms.similarity import ComparedPair
from regexplain.volumes.geometry import Grid
from synthetic_result import make_grid, rotation

MIDDLE = np.array((10.0, -20.0, 30.0))
SHIFT = np.array((15.0, -8.0, 12.0))  # LPS mm, fixed to moving points
FIXED = make_grid((64, 72, 32), (2.0, 2.0, 4.0), rotation(12, 0), MIDDLE)
MOVING = make_grid((60, 60, 60), (2.5, 2.5, 2.5), rotation(-10, 2), MIDDLE + SHIFT)


def head(grid, shift, mirrored: bool, dark: bool) -> sitk.Image:
    """Nearly the same on both sides: balls of 7 mm of which each is a few mm from where its partner would be."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.GetSize()[::-1]], indexing="ij")[::-1], -1)
    at = Grid.of(grid).world(index) - shift - MIDDLE
    at = at * (-1, 1, 1) if mirrored else at
    rng = np.random.default_rng(1)
    found = np.where(np.linalg.norm(at / (50, 56, 48), axis=-1) < 1, 60.0, 0.0)
    for centre in rng.uniform(-1, 1, (14, 3)) * (12, 30, 25) + (20, 0, 0):
        for side in (1, -1):
            place = centre * (side, 1, 1) + rng.normal(0, 3, 3)
            found[np.linalg.norm(at - place, axis=-1) < 7] = 20 if dark else 110
    return Grid.of(grid).image((found + rng.normal(0, 3, found.shape)).astype(np.float32))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_both_measures_say_which_way_round_it_fits(mirrored, dark):
    images = head(FIXED, 0.0, False, False), head(MOVING, SHIFT, mirrored, dark)
    found = gain_of_mirroring(ComparedPair(*images), affine_transform(np.eye(3), SHIFT))
    assert (found.values > 0).all() if mirrored else (found.values < 0).all()


def test_images_that_lie_apart_tell_nothing():
    images = head(FIXED, 0.0, False, False), head(MOVING, SHIFT, False, False)
    assert gain_of_mirroring(ComparedPair(*images), affine_transform(np.eye(3), SHIFT + 1000)) is None
