import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import regexplain
from equivalent_scans import points_in, rotation, transform_points, with_moved_header
from regexplain.errors import BadInputError
from regexplain.transforms.itk import (
    RegistrationTransform,
    affine_matrix,
    affine_transform,
    apply_affine,
    as_affine,
    compose_inverse,
    grid_points,
    read_itk_transform,
    read_transform,
    resample_displacement,
)
from regexplain.volumes.geometry import Grid


def oblique_grid() -> Grid:
    image = sitk.Image([24, 30, 24], sitk.sitkUInt8)
    image.SetSpacing((1.1, 0.9, 1.5))
    return Grid.of(with_moved_header(image, rotation(degrees=20), (5.0, -40.0, 12.0)))


def bump(grid: Grid, amplitude=(3.0, -2.0, 1.0)) -> sitk.Image:
    """A smooth displacement, about `amplitude` mm in the middle of the grid."""
    distance = ((grid_points(grid) - grid.centre) ** 2).sum(-1, keepdims=True)
    return grid.image(np.exp(-distance / (2 * 8.0**2)) * np.array(amplitude), vector=True)


def example() -> tuple[Grid, RegistrationTransform]:
    grid = oblique_grid()
    return grid, RegistrationTransform(affine_transform(rotation(degrees=10) * 1.05, (3.0, 4.0, -5.0)), bump(grid))


def test_a_point_moves_by_the_displacement_first_and_the_alignment_then():
    grid, transform = example()
    centre = grid.world(np.array([12, 15, 12]))
    u = np.array(transform.displacement[12, 15, 12])
    expected = apply_affine(transform.alignment, centre + u)
    assert np.allclose(transform.itk().TransformPoint(centre.tolist()), expected, atol=1e-9)


def test_a_written_transform_reads_back_the_same(tmp_path):
    grid, transform = example()
    transform.write(tmp_path / "transform.h5")
    back = read_transform(tmp_path / "transform.h5")
    points = points_in(grid.image(np.zeros(grid.size[::-1])))
    assert np.allclose(transform_points(back.itk(), points), transform_points(transform.itk(), points), atol=1e-9)
    assert np.array_equal(
        sitk.GetArrayViewFromImage(back.displacement), sitk.GetArrayViewFromImage(transform.displacement)
    )
    plain = transform_points(sitk.ReadTransform(str(tmp_path / "transform.h5")), points)
    assert np.allclose(plain, transform_points(transform.itk(), points), atol=1e-9)


def test_the_way_back_undoes_the_way_there():
    grid, transform = example()
    undoing = sitk.InvertDisplacementField(transform.displacement, 100, 1e-4, 1e-5)
    image = grid.image(np.zeros(grid.size[::-1], np.float32))
    back = compose_inverse(
        transform.alignment, undoing, Grid.of(with_moved_header(image, rotation(degrees=10), (3.0, 4.0, -5.0)))
    )
    points = points_in(image, margin=0.3)
    error = np.linalg.norm(transform_points(back.itk(), transform_points(transform.itk(), points)) - points, axis=1)
    assert error.mean() < 0.05
    assert error.max() < 0.15


def test_without_a_displacement_the_way_back_is_the_inverse_affine():
    grid, transform = example()
    back = compose_inverse(transform.alignment, None, grid)
    assert np.allclose(affine_matrix(back.alignment) @ affine_matrix(transform.alignment), np.eye(4))


def test_outside_its_box_a_sampled_displacement_keeps_its_border_value():
    grid = oblique_grid()
    constant = grid.image(np.broadcast_to([1.0, 2.0, 3.0], (*grid.size[::-1], 3)), vector=True)
    wider = Grid(
        tuple(n + 8 for n in grid.size), grid.spacing, tuple(grid.world(np.array([-4, -4, -4]))), grid.direction
    )
    assert np.allclose(sitk.GetArrayFromImage(resample_displacement(constant, wider)), [1.0, 2.0, 3.0])


def test_any_linear_transform_becomes_an_affine_about_the_origin():
    euler = sitk.Euler3DTransform((10.0, -3.0, 7.0), 0.1, -0.2, 0.3, (1.0, 2.0, 3.0))
    points = np.random.default_rng(0).normal(size=(20, 3)) * 50
    assert np.allclose(transform_points(as_affine(euler), points), transform_points(euler, points))


@pytest.mark.parametrize("content, words", [(None, "no transform file"), (b"garbage", "not a transform")])
def test_a_file_that_is_no_transform_is_named_with_what_to_do(tmp_path, content, words):
    path = tmp_path / "t.tfm"
    if content:
        path.write_bytes(content)
    with pytest.raises(BadInputError, match=words):
        read_itk_transform(path)


def test_a_transform_of_another_form_is_no_registration(tmp_path):
    sitk.WriteTransform(
        sitk.BSplineTransformInitializer(oblique_grid().image(np.zeros((24, 30, 24))), [4, 4, 4]),
        str(tmp_path / "b.tfm"),
    )
    with pytest.raises(BadInputError, match="not a RegExplain transform"):
        read_transform(tmp_path / "b.tfm")


def test_no_array_is_a_view_of_an_image_that_nobody_holds():
    """A view does not keep its image alive: what it shows is then anything, or the end of the process."""
    found = [
        f"{path.name}: {call}"
        for path in Path(regexplain.__file__).parents[1].rglob("*.py")
        for call in re.findall(r"GetArrayViewFromImage\([\w.]*\(.*", path.read_text(encoding="utf-8"))
    ]
    assert found == []
