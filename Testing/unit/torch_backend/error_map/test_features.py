"""What the error map looks at lies where it should, and means what it says, in every orientation."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from regexplain.torch_backend.error_map.cells import CellPair, cell_pair, cells_of
from regexplain.torch_backend.error_map.features import MAPS, SEARCH_RADIUS, features, field_maps, shift_costs_by_scale
from regexplain.transforms.itk import affine_transform
from regexplain.volumes.geometry import Grid

SHIFT = {"fine": (4.0, 0.0, -2.0), "coarse": (0.0, 8.0, 0.0)}  # mm along x, y, z of the cells' grid


def textured(size=(72, 64, 68), spacing=(2.0, 2.0, 2.0), direction=None, seed=0) -> sitk.Image:
    """A ball of smooth noise in air."""
    random = np.random.default_rng(seed)
    noise = sitk.GetImageFromArray(random.normal(size=size[::-1]))
    array = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 2.0))
    z, y, x = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in size[::-1])]
    array = np.where(x**2 + y**2 + z**2 < 0.9, 10 + array / array.std(), 0)
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin((-40.0, 15.0, 7.0))
    image.SetDirection((np.eye(3) if direction is None else direction).ravel().tolist())
    return image


def best_shifts(pair: CellPair, scale: int) -> np.ndarray:
    """(N, 3): (x, y, z) of the least cost in the middle of the grid, voxels of the scale."""
    shifts = np.array(list(product(range(-SEARCH_RADIUS, SEARCH_RADIUS + 1), repeat=3)))[:, ::-1]
    cost = shift_costs_by_scale(*(torch.from_numpy(a)[None, None] for a in (pair.fixed, pair.warped)))[scale]
    middle = [slice(n // 2 - 3, n // 2 + 3) for n in cost.shape[1:]]
    return shifts[cost[(slice(None), *middle)].flatten(1).argmin(0).numpy()]


@pytest.mark.parametrize(("scale", "shift", "voxel"), [(0, SHIFT["fine"], 2.0), (1, SHIFT["coarse"], 4.0)])
def test_the_images_fit_best_where_the_transform_left_the_tissue(scale, shift, voxel):
    image = textured()
    pair = cell_pair(image, image, sitk.TranslationTransform(3, shift), None)
    assert pair.cells.spacing == (4.0, 4.0, 4.0)
    expected = -np.array(shift) / voxel
    assert (best_shifts(pair, scale) == expected).all(1).mean() > 0.95


def test_cells_lie_where_the_tissue_is_in_an_oblique_image_of_long_voxels():
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.3, -0.2, 0.4)
    direction = np.array(turn.GetMatrix()).reshape(3, 3)
    image = textured((80, 70, 30), (1.0, 1.2, 3.0), direction)
    ramp = [sitk.Cast(part, sitk.sitkFloat32) for part in coordinates(image)]
    pair = cell_pair(image, image, sitk.Transform(3, sitk.sitkIdentity), None)
    points = [sitk.GetArrayFromImage(pair.cells.resample(part)) for part in ramp]
    middle = tuple(n // 2 for n in pair.cells.size[::-1])
    here = pair.cells.world(np.array(middle[::-1]))
    assert np.allclose([p[middle] for p in points], here, atol=1e-3)
    pooled = torch.nn.functional.avg_pool3d(torch.from_numpy(pair.fixed_tissue).float()[None, None], 2)[0, 0]
    assert pooled[middle] == 1 and pooled[0, 0, 0] == 0
    assert pair.overlap.any() and cells_of(pair.fine).size == tuple(pooled.shape[::-1])


def coordinates(image: sitk.Image) -> list[sitk.Image]:
    """The point (LPS mm) of each voxel, a component an image."""
    grid = Grid.of(image)
    x, y, z = (np.arange(n) for n in grid.size)
    points = grid.world(np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], -1))
    return [grid.image(points[..., axis].copy()) for axis in range(3)]


def test_features_of_turned_images_are_the_turned_features():
    random = np.random.default_rng(3)
    arrays = [random.normal(size=(16, 16, 16)).astype(np.float32) for _ in range(2)]
    order, flips = (2, 0, 1), [0, 1, 2]  # one diagonal of each cell is looked at: mirrored on all axes it is itself

    def found(a, b):
        grid = Grid((16, 16, 16), (2.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
        full = np.ones((16, 16, 16), bool)
        return features(CellPair(grid, a, b, full, full, full, np.zeros((3, 8, 8, 8), np.float32)))

    other = found(*(np.ascontiguousarray(np.flip(a.transpose(order), flips)) for a in arrays))
    expected = found(*arrays).permute(0, *(1 + o for o in order)).flip([1 + f for f in flips])
    assert torch.allclose(other, expected, atol=2e-3)


def test_the_field_s_maps_are_those_of_a_linear_field():
    matrix = np.diag([1.1, 0.9, 1.2])
    z, y, x = np.meshgrid(*[np.arange(6.0)] * 3, indexing="ij")
    points = np.stack([x, y, z])
    displacement = np.einsum("ij,jdhw->idhw", matrix - np.eye(3), points).astype(np.float32)
    volume, strain, bending = field_maps(torch.from_numpy(displacement))
    assert np.allclose(volume, np.log(np.linalg.det(matrix)), atol=1e-4)
    assert np.allclose(strain, np.sqrt(0.1**2 + 0.1**2 + 0.2**2), atol=1e-4)
    assert np.allclose(bending, 0, atol=1e-3)


@pytest.mark.slow
def test_no_linear_change_of_the_moving_image_s_intensities_alters_what_is_seen():
    image = textured(seed=1)
    other = sitk.Cast(image, sitk.sitkFloat32) * 7
    identity = affine_transform(np.eye(3), np.array([1.0, 0, 0]))
    one, two = (features(cell_pair(image, moving, identity, None)) for moving in (image, other))
    assert len(one) == len(MAPS)
    assert torch.allclose(one, two, atol=1e-2)
