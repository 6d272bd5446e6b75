"""The inverse of a displacement field that came without one."""

import numpy as np
import pytest
import SimpleITK as sitk

from equivalent_scans import rotation
from regexplain.transforms.inversion import TOLERANCE_MM, _Field, invert_displacement
from regexplain.transforms.itk import displacement_transform, grid_points, to_displacement_field
from regexplain.volumes.geometry import Grid, centred_grid

OBLIQUE = centred_grid((3.0, -5.0, 9.0), (30, 26, 20), (1.0, 1.2, 2.0), rotation(degrees=30).ravel().tolist())


def points(grid: Grid) -> np.ndarray:
    """(z, y, x, 3) mm about the middle."""
    return grid_points(grid) - grid.centre


def inverse_of(vectors: np.ndarray, grid: Grid) -> np.ndarray:
    return sitk.GetArrayFromImage(invert_displacement(grid.image(vectors, vector=True)))


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


def smooth_vectors(grid: Grid, mm: float) -> np.ndarray:
    """(z, y, x, 3): waves that are still at the border, so that nothing beyond the box is asked for."""
    z, y, x = (np.sin(np.linspace(0, np.pi, n)) for n in grid.size[::-1])
    hump = z[:, None, None] * y[:, None] * x
    return mm * hump[..., None] * np.stack([np.cos(4 * hump), np.sin(6 * hump), 0.5 - hump], -1)


def missed_mm(displacement: sitk.Image, found: sitk.Image) -> np.ndarray:
    """How far each voxel ends from itself, as ITK takes it there and back."""
    there_and_back = sitk.CompositeTransform([displacement_transform(displacement), displacement_transform(found)])
    return np.linalg.norm(sitk.GetArrayFromImage(to_displacement_field(there_and_back, Grid.of(displacement))), axis=-1)


@pytest.mark.parametrize(("size", "mm"), [((41, 38, 33), 3.0), ((30, 26, 3), 0.5), ((9, 1, 12), 0.5)])
def test_a_smooth_field_is_undone_at_every_voxel_whatever_the_size(size, mm):
    grid = centred_grid((3.0, -5.0, 9.0), size, (1.0, 1.2, 2.0), OBLIQUE.direction)
    displacement = grid.image(smooth_vectors(grid, mm), vector=True)
    found = invert_displacement(displacement)
    assert Grid.of(found) == grid and found.GetPixelIDValue() == sitk.sitkVectorFloat32
    if 1 not in size:  # ITK's own displacement transform knows no such box
        assert missed_mm(displacement, found).max() < 1.2 * TOLERANCE_MM


def test_a_field_that_differs_from_voxel_to_voxel_is_undone_too():
    """What lies between the points that are solved first says nothing there."""
    vectors = np.random.default_rng(3).uniform(-0.15, 0.15, (20, 20, 20, 3))
    vectors[[0, -1]] = vectors[:, [0, -1]] = vectors[:, :, [0, -1]] = 0
    displacement = sitk.GetImageFromArray(vectors, isVector=True)
    assert missed_mm(displacement, invert_displacement(displacement)).max() < 1.2 * TOLERANCE_MM


def test_beyond_the_box_the_border_goes_on():
    """Every voxel is asked for two voxels to its left, the first ones outside."""
    grid = Grid((12, 10, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0))
    vectors = np.zeros((8, 10, 12, 3))
    vectors[..., 0] = 2 + 0.1 * np.arange(12)
    found = inverse_of(vectors, grid)
    assert np.allclose(found[:, :, :2, 0], -2, atol=2 * TOLERANCE_MM)


def test_most_of_a_smooth_field_is_looked_at_no_more_than_twice(monkeypatch):
    grid = centred_grid((0.0, 0.0, 0.0), (64, 64, 64), (1.5, 1.5, 1.5), OBLIQUE.direction)
    looked, at = [], _Field.interpolate
    monkeypatch.setattr(
        _Field, "interpolate", lambda field, points: looked.append(points.shape[1]) or at(field, points)
    )
    invert_displacement(grid.image(smooth_vectors(grid, 8.0), vector=True))
    assert sum(looked) < 2.5 * 64**3
