"""The inverse of a displacement field that came without one."""

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain.geometry import Grid, centred_grid
from regexplain.inversion import inverted
from regexplain.transforms import grid_points
from scan_copies import rotation

OBLIQUE = centred_grid((3.0, -5.0, 9.0), (30, 26, 20), (1.0, 1.2, 2.0), rotation(degrees=30).ravel().tolist())


def points(grid: Grid) -> np.ndarray:
    """(z, y, x, 3) mm about the middle."""
    return grid_points(grid) - grid.centre


def inverse_of(vectors: np.ndarray, grid: Grid) -> np.ndarray:
    return sitk.GetArrayFromImage(inverted(grid.image(vectors, vector=True)))


def middle(array: np.ndarray) -> np.ndarray:
    """A third of the way in, where nothing comes from outside the box."""
    return array[tuple(slice(n // 3, -(n // 3)) for n in array.shape[:3])]


@pytest.mark.parametrize("growth", [-0.4, 0.25, 1.5])
def test_a_zoom_is_undone_by_its_inverse_zoom(growth):
    """At 1.5 a plain fixed-point iteration diverges."""
    found = inverse_of(growth * points(OBLIQUE), OBLIQUE)
    wanted = -growth / (1 + growth) * points(OBLIQUE)
    assert np.abs(middle(found - wanted)).max() < 0.02


def test_a_shift_is_undone_to_the_border():
    found = inverse_of(np.broadcast_to([3.0, -2.0, 5.0], (*OBLIQUE.size[::-1], 3)).copy(), OBLIQUE)
    assert np.allclose(found, [-3.0, 2.0, -5.0], atol=1e-3)


def test_where_space_folds_the_rest_is_still_inverted():
    local = points(OBLIQUE)
    bump = np.exp(-(local**2).sum(-1, keepdims=True) / (2 * 3.0**2))
    found = inverse_of(8.0 * bump * [1.0, 0.0, 0.0], OBLIQUE)
    far = np.linalg.norm(local, axis=-1) > 12
    assert np.isfinite(found).all()
    assert np.abs(found[far]).max() < 0.05
