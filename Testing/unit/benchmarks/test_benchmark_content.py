"""The images of many kinds, and that the model for hippocampi calls none of a cheap few its own but a hippocampus."""

from functools import partial
from itertools import islice

import numpy as np
import pytest
import SimpleITK as sitk

import content_domain
import content_images
import sample_pair
from regexplain.volumes.geometry import Grid

SIZE = content_images.CROP_SIZE
ROLES = "fixed", "moving"
MADE = {
    "noise": partial(content_images.noise, 0, SIZE, 1.0),
    "phantom": partial(content_images.phantoms, 0, SIZE, 1.0),
    "abdomen": partial(content_images.abdomens, 0, SIZE, 1.0),
    "upside down": lambda: content_images.upside_down(map(sample_pair.image, ROLES)),
    "half": lambda: iter([content_images.half(sample_pair.image(name), 0, True, False) for name in ROLES]),
}


@pytest.mark.parametrize("kind", MADE)
def test_auto_gives_what_is_no_hippocampus_to_the_general_model(kind):
    fixed, moving = islice(MADE[kind](), 2)
    assert chosen(fixed, moving) == "any-contrast"


def chosen(fixed: sitk.Image, moving: sitk.Image) -> str:
    return content_domain.chosen_by_auto(content_domain.pair_of(fixed, moving))


def test_two_hippocampi_that_another_scanner_saw_are_still_ones():
    random = np.random.default_rng(0)
    images = [sample_pair.image(name) for name in ROLES]
    fixed, moving = (content_images.varied(image, random, **content_domain.CROPS) for image in images)
    assert chosen(fixed, moving) == "hippocampus"


def test_an_image_that_is_turned_or_halved_keeps_its_grid_and_what_is_left():
    image = Grid((6, 8, 10), (1.0, 2.0, 3.0), (5.0, 6.0, 7.0), tuple(np.eye(3).ravel())).image(
        np.arange(480.0).reshape(10, 8, 6) + 100
    )
    turned = content_images.turned(image, (0, 2))
    assert Grid.of(turned) == Grid.of(image)
    assert turned[0, 3, 0] == image[5, 3, 9]
    dark, cut = (content_images.half(image, 0, True, cut) for cut in (False, True))
    assert Grid.of(dark) == Grid.of(image) and cut.GetSize()[1:] == image.GetSize()[1:]
    left = sitk.GetArrayFromImage(dark)
    assert (left[..., :2] == 0).all() and (left[..., 3:] == sitk.GetArrayFromImage(image)[..., 3:]).all()
