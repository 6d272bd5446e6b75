"""Ghosts of known strength beside a head, and everything else that lies in its air."""

import numpy as np
import pytest

from regexplain.volumes.geometry import Grid, centred_grid
from regexplain.volumes.ghosting import ghost_to_signal_ratio

SIZE, SPACING = (96, 80, 64), (2.0, 2.5, 3.0)  # x, y, z
TURNED = tuple(np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]).ravel())
GRID = centred_grid((10.0, -20.0, 30.0), SIZE, SPACING, TURNED)
HEAD, NOISE = 400.0, 8.0


def inside(scale: float = 1.0) -> np.ndarray:
    """(z, y, x) bool: an ellipsoid in the middle."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SIZE[::-1]), indexing="ij")
    return (x / 0.5) ** 2 + (y / 0.6) ** 2 + (z / 0.6) ** 2 < scale**2


def head(noise: float = NOISE) -> np.ndarray:
    """With a dark, thin scalp about it, as where fat is suppressed."""
    random = np.random.default_rng(0)
    values = np.where(inside(0.9), HEAD * (1 + 0.1 * random.normal(size=SIZE[::-1])), 0.15 * HEAD * inside())
    return np.abs(values + noise * random.normal(size=SIZE[::-1]))


def with_ghosts(array: np.ndarray, axis: int, strength: float) -> np.ndarray:
    """axis: of (z, y, x). Copies of the head at each eighth of the field of view."""
    copies = [np.roll(array, n * array.shape[axis] // 8, axis) for n in range(1, 8)]
    return array + strength * np.max(copies, axis=0)


def ratio(array: np.ndarray, grid: Grid = GRID) -> float | None:
    return ghost_to_signal_ratio(grid.image(array.astype(np.float32)))


@pytest.mark.parametrize("strength", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("axis", range(3))
def test_ghosts_along_any_axis_of_an_oblique_scan_are_as_bright_as_they_were_made(axis, strength):
    """Beside the head; they lie on it too, so that the ratio is a little less."""
    assert 0.8 * strength < ratio(with_ghosts(head(), axis, strength)) < 1.02 * strength


@pytest.mark.parametrize("noise", [0.5, NOISE, 5 * NOISE])
def test_noise_and_a_dark_scalp_are_no_ghosts(noise):
    assert ratio(head(noise)) < 0.005


@pytest.mark.parametrize("axis", range(3))
def test_what_was_not_scanned_is_no_air_without_ghosts(axis):
    """Corners that a turned scan left empty, on lines that miss the head, beside air with noise."""
    corners = ~inside().any(axis, keepdims=True) & ~inside(1.8)
    assert corners.mean() > 0.4
    assert ratio(np.where(corners, 0, head(5 * NOISE))) < 0.005


def test_a_narrow_couch_moves_no_median():
    array = head(0.5)
    array[:, -6:-3] = 0.5 * HEAD
    assert ratio(array) < 0.005


def test_background_of_any_value_and_brightness_of_any_scale_change_nothing():
    ghosts = with_ghosts(head(), 1, 0.05)
    assert ratio(3 * ghosts - 1024) == pytest.approx(ratio(ghosts), rel=1e-4)


def test_air_that_was_blanked_tells_nothing_unless_ghosts_were_left_in_it():
    blanked = np.where(inside(1.2), head(), 0)
    assert ratio(blanked) is None
    assert ratio(with_ghosts(blanked, 1, 0.1)) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("array", [head()[24:40, 26:54, 32:64], np.zeros(SIZE[::-1])], ids=["crop", "empty"])
def test_an_image_without_air_or_without_a_head_tells_nothing(array):
    assert ratio(array, centred_grid((0, 0, 0), array.shape[::-1], SPACING, TURNED)) is None
