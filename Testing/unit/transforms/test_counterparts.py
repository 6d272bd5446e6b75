"""What one of two images has alone is found where it lies, in any contrast, and nothing is found where nothing is."""

import numpy as np
import pytest

from regexplain.transforms.counterparts import CELL_MM, compare_counterparts
from regexplain.transforms.itk import affine_transform
from regexplain.volumes.geometry import Grid
from synthetic_result import make_grid, rotation

MIDDLE = np.array((10.0, -20.0, 30.0))
FIXED = make_grid((64, 72, 32), (2.0, 2.0, 4.0), rotation(12, 0), MIDDLE)
MOVING = make_grid((60, 60, 60), (2.5, 2.5, 2.5), rotation(-10, 2), MIDDLE + (15.0, -8.0, 12.0))
SHIFT = np.array((15.0, -8.0, 12.0))  # LPS mm, fixed to moving points
CAVITY, RADIUS_MM = MIDDLE + (-22.0, 14.0, 4.0), 12.0
NAMES = {1: "core", 2: "shell"}


def points(image) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in image.GetSize()[::-1]], indexing="ij")[::-1], -1)
    return Grid.of(image).world(index)


def radius(at: np.ndarray) -> np.ndarray:
    return np.linalg.norm((at - MIDDLE) / (50, 56, 48), axis=-1)


def pair(cavity: float | None = None, values=(100.0, 60.0, 5.0), bias=0.0):
    """A core and a shell of 100 and 60 in the fixed image, of `values` in the moving one. cavity: its value there."""
    rng = np.random.default_rng(0)
    images = []
    for grid, at, (core, shell, air) in (
        (FIXED, points(FIXED), (100, 60, 5)),
        (MOVING, points(MOVING) - SHIFT, values),
    ):
        found = np.where(radius(at) < 0.75, core, np.where(radius(at) < 1, shell, air)).astype(float)
        if cavity is not None and grid is MOVING:
            found[np.linalg.norm(at - CAVITY, axis=-1) < RADIUS_MM] = cavity
        found *= 1 + bias * np.sin((at[..., 0] - MIDDLE[0]) / 60) * (grid is MOVING)
        images.append(Grid.of(grid).image((found + rng.normal(0, 4, found.shape)).astype(np.float32)))
    at = points(FIXED)
    labels = np.where(radius(at) < 0.75, 1, np.where(radius(at) < 1, 2, 0)).astype(np.uint8)
    return *images, affine_transform(np.eye(3), SHIFT), Grid.of(FIXED).image(labels), NAMES


@pytest.mark.parametrize(("values", "cavity"), [((100, 60, 5), 20), ((60, 110, 5), 20), ((60, 110, 5), 160)])
def test_a_cavity_is_found_where_it_is_in_any_contrast(values, cavity):
    found = compare_counterparts(*pair(cavity, values))
    assert found is not None
    assert np.linalg.norm(np.array(found.centre_mm) - CAVITY) < CELL_MM
    assert 0.5 < found.largest_ml / (4 / 3 * np.pi * RADIUS_MM**3 / 1000) < 1.2
    assert found.deviation_sd * (cavity - values[0]) > 0 and abs(found.deviation_sd) > 2
    assert found.place == "core"


@pytest.mark.parametrize("values", [(100, 60, 5), (60, 110, 5)])
def test_nothing_is_found_where_all_has_its_counterpart_though_coils_shade_one_image(values):
    found = compare_counterparts(*pair(values=values, bias=0.3))
    assert found is not None and found.record == {
        "largest_ml": 0.0,
        "deviation_sd": 0.0,
        "centre_mm": None,
        "place": "",
    }


def test_without_anatomy_or_overlap_nothing_is_said():
    fixed, moving, there, labels, names = pair(20)
    assert compare_counterparts(fixed, moving, there, labels * 0, names) is None
    away = affine_transform(np.eye(3), SHIFT + 1000)
    assert compare_counterparts(fixed, moving, away, labels, names) is None
