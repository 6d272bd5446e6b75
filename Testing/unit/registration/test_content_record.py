"""What is looked for in the images themselves, by what a network says that they show."""

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain.registration.pair import ImagePair
from regexplain.registration.record import content_record
from regexplain.transforms.itk import RegistrationTransform
from regexplain.transforms.similarity import ComparedPair
from regexplain.volumes.content import ANOTHER_CONTRAST
from regexplain.volumes.geometry import Grid, centred_grid

GRID = centred_grid((0, 0, 0), (60, 64, 56), (3.0, 3.0, 3.0), tuple(np.eye(3).ravel()))
HEAD = np.linalg.norm(np.indices(GRID.size[::-1]).T - (28, 32, 30), axis=-1).T < 14


def pair_with_ghosts(grid: Grid) -> ImagePair:
    """Copies of the moving head, 0.2 times as bright, at each eighth of the field of view."""
    ghosts = np.maximum.reduce([np.roll(HEAD, n * 8, 1) for n in range(8)])
    noise = 0.01 * np.random.default_rng(0).random(HEAD.shape)
    arrays = HEAD + noise, HEAD + noise + 0.2 * (ghosts & ~HEAD)
    return ImagePair(*(grid.image(array.astype(np.float32)) for array in arrays))


def record(content, grid=GRID):
    pair = pair_with_ghosts(grid)
    identity = RegistrationTransform(sitk.AffineTransform(3))
    return content_record(pair, ComparedPair(pair.fixed, pair.moving), identity, content, None)


@pytest.mark.parametrize("fixed", [None, f"{ANOTHER_CONTRAST} a T1"])
def test_ghosts_are_looked_for_in_both_images_of_a_head(fixed):
    content = {"model": "brain-t1-flair", "fixed": fixed, "moving": "shows no head"}
    made = record(content)
    assert made["content"] == content
    assert made["ghosting"] == {"fixed": pytest.approx(0, abs=0.01), "moving": pytest.approx(0.2, abs=0.02)}


def test_and_not_where_no_head_was_seen():
    small = centred_grid((0, 0, 0), GRID.size, (1.0, 1.0, 1.0), GRID.direction)
    assert "ghosting" not in record(None)
    assert "ghosting" not in record({"model": "brain-t1-flair", "fixed": "shows no head", "moving": None})
    assert "ghosting" not in record({"model": "hippocampus", "fixed": None, "moving": None}, small)
