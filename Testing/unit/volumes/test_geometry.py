import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from equivalent_scans import REORDERINGS, reoriented, rotation, with_moved_header
from regexplain.transforms.itk import as_affine
from regexplain.volumes.geometry import (
    Grid,
    antialias,
    as_closest_lps,
    canvas_around,
    centred_grid,
    common_field_of_view,
    fit_canvas,
    resample_to_canvas,
    subsampling_step,
)


def scan(size=(9, 11, 7), spacing=(0.7, 1.1, 4.0), origin=(-20.0, 5.0, 31.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=size[::-1]).astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


@given(st.tuples(*[st.floats(-5, 15)] * 3), st.floats(-180, 180), st.tuples(*[st.floats(0.2, 5)] * 3))
def test_a_grid_places_indices_in_the_world_as_itk_does(index, degrees, spacing):
    image = with_moved_header(scan(spacing=spacing), rotation(degrees=degrees))
    expected = image.TransformContinuousIndexToPhysicalPoint(index)
    assert np.allclose(Grid.of(image).world(np.array(index)), expected, atol=1e-6)
    assert np.allclose((Grid.of(image).voxel_to_world @ [*index, 1])[:3], expected, atol=1e-6)


@pytest.mark.parametrize("order, flips", REORDERINGS)
def test_another_storage_order_gives_the_same_anatomical_grid(order, flips):
    image = with_moved_header(scan(), rotation(degrees=20))
    a, b = as_closest_lps(Grid.of(image)), as_closest_lps(Grid.of(reoriented(image, order, flips)))
    assert a.size == b.size
    for name in ("spacing", "origin", "direction"):
        assert np.allclose(getattr(a, name), getattr(b, name))


def test_the_anatomical_axes_point_left_posterior_and_superior():
    assert (
        np.diag(as_closest_lps(Grid.of(with_moved_header(reoriented(scan()), rotation(degrees=30)))).axes) > 0.8
    ).all()


@pytest.mark.parametrize("order, flips", REORDERINGS)
def test_the_canvas_holds_the_same_voxels_for_every_copy_of_a_scan(order, flips):
    image = scan()
    expected = resample_to_canvas(image, canvas_around(image, (10, 12, 14), (1.0, 1.0, 2.0)))
    oblique = with_moved_header(reoriented(image, order, flips), rotation(degrees=25), (40, -7, 3))
    content = resample_to_canvas(oblique, canvas_around(oblique, (10, 12, 14), (1.0, 1.0, 2.0)))
    assert expected.any()
    assert np.allclose(content, expected, atol=1e-4)


def test_a_border_between_cells_is_interpolated_the_same_for_every_copy():
    image = scan(size=(9, 11, 7), spacing=(1.0, 1.0, 1.0))
    contents = []
    for copy in (
        image,
        *(reoriented(image, *r) for r in REORDERINGS),
        with_moved_header(image, rotation(degrees=31), (3.3, 0, -9)),
    ):
        contents.append(resample_to_canvas(copy, canvas_around(copy, (12, 14, 10), (1.0, 1.0, 1.0))))
    assert all(np.allclose(content, contents[0], atol=1e-5) for content in contents[1:])


def test_a_border_between_two_cells_belongs_to_the_image_on_both_sides():
    """9 voxels on 12 cells about their middle: the cells half a voxel beyond the outermost voxels lie on the border."""
    ones = sitk.GetImageFromArray(np.ones((9, 9, 9), np.float32))
    copies = [ones, *(with_moved_header(ones, rotation(degrees=d), (d, 3.3, -7.7)) for d in (7, 13, 29, 41))]
    expected = np.array([0, *[1] * 10, 0], np.float32)
    for copy in copies:
        content = resample_to_canvas(copy, canvas_around(copy, (12, 12, 12), (1.0, 1.0, 1.0), Grid.of(copy).centre))
        for line in (content[6, 6], content[6, :, 6], content[:, 6, 6]):
            assert np.allclose(line, expected, atol=1e-5)


@pytest.mark.parametrize("size", [(9, 9, 9), (8, 8, 8), (9, 8, 7)])
def test_the_cells_of_a_canvas_of_the_images_own_spacing_are_its_voxels(size):
    """Neither moved by a whole voxel nor blurred by half a one, whichever sizes are odd."""
    image = sitk.GetImageFromArray(np.random.default_rng(0).random(size[::-1]).astype(np.float32))
    for copy in (
        image,
        with_moved_header(image, rotation(degrees=30), (3, 4, 5)),
        *(reoriented(image, *r) for r in REORDERINGS),
    ):
        content = resample_to_canvas(copy, canvas_around(copy, (12, 12, 12), (1.0, 1.0, 1.0)))
        filled = np.argwhere(content)
        assert np.abs(filled.mean(0) - 5.5).max() <= 0.5
        assert content.sum() == pytest.approx(sitk.GetArrayViewFromImage(image).sum(), rel=1e-4)
        assert np.allclose(np.sort(content[content > 0]), np.sort(sitk.GetArrayFromImage(image).ravel()), atol=1e-4)


def test_corners_are_the_outer_faces_of_the_outermost_voxels():
    corners = Grid.of(scan(size=(2, 3, 4), spacing=(1.0, 2.0, 3.0), origin=(0.0, 0.0, 0.0))).corners
    assert np.allclose(corners.min(0), [-0.5, -1.0, -1.5])
    assert np.allclose(corners.max(0), [1.5, 5.0, 10.5])


def test_sampling_coarsely_blurs_first_and_sampling_finely_does_not():
    checkerboard = np.indices((16, 16, 16)).sum(0) % 2
    image = sitk.GetImageFromArray(checkerboard.astype(np.float32))
    assert antialias(image, (1.0, 1.0, 1.0)) is image
    inner = sitk.GetArrayFromImage(antialias(image, (4.0, 4.0, 4.0)))[4:-4, 4:-4, 4:-4]
    assert np.abs(inner - 0.5).max() < 0.01


@pytest.mark.parametrize(
    ("size", "most", "step"),
    [
        ((8, 8, 8), 8**3, 1),
        ((8, 8, 8), 8**3 - 1, 2),
        ((9, 9, 9), 5**3, 2),  # first, last, and every other between
        ((9, 9, 9), 5**3 - 1, 3),
        ((512, 512, 1), 256**2, 2),  # thinning a slice gains nothing across it
        ((1, 1, 1000), 10, 100),
        ((7, 5, 3), 1, 7),
        ((7, 5, 3), 0, 7),  # no step leaves nothing
    ],
)
def test_a_grid_is_thinned_by_the_least_step_that_leaves_few_enough(size, most, step):
    assert subsampling_step(size, most) == step


LARGEST = (112, 128, 112)


def box(extent, centre=(0.0, 0.0, 0.0), degrees=0.0) -> Grid:
    direction = rotation((0.2, 0.3, 1.0), degrees).ravel()
    return centred_grid(centre, (1, 1, 1), tuple(map(float, extent)), tuple(direction))


@pytest.mark.slow
@given(st.tuples(*[st.floats(5, 600)] * 3), st.floats(0.01, 3))
def test_a_canvas_is_filled_by_its_box_with_nearly_cubic_voxels_and_no_more_than_allowed(extent, finest):
    canvas = fit_canvas(box(extent), LARGEST, finest, 16)
    assert all(size <= most and size % 16 == 0 for size, most in zip(canvas.size, LARGEST, strict=True))
    assert (canvas.extent >= np.array(extent) * (1 - 1e-6)).all()
    assert max(canvas.spacing) <= 1.5 * min(canvas.spacing) * (1 + 1e-6) or min(canvas.spacing) >= finest * (1 - 1e-6)
    coarsest = max(max(np.array(extent) / LARGEST), finest)
    assert max(canvas.spacing) <= coarsest * (1 + 1e-6) and min(canvas.spacing) >= finest * (1 - 1e-6)
    assert np.allclose(canvas.centre, 0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_a_canvas_of_a_pair_scales_with_it(scale):
    small, large = (fit_canvas(box(np.array((100, 130, 90)) * s), LARGEST, 0.2 * s, 16) for s in (1.0, scale))
    assert small.size == large.size and np.allclose(large.spacing, np.array(small.spacing) * scale)


def test_the_common_field_is_what_the_moving_image_reaches_of_the_fixed_ones_tissue():
    fixed, tissue = box((100, 100, 100), (5, 6, 7), 20), box((80, 90, 60), (5, 6, 7), 20)
    same = sitk.AffineTransform(3)
    all_of_it = common_field_of_view(fixed, fixed, same, tissue)
    assert np.allclose(all_of_it.extent, (88, 99, 66)) and np.allclose(all_of_it.centre, (5, 6, 7))  # and a little more
    step = sitk.TranslationTransform(3, tuple(fixed.axes @ (0.0, 0.0, -60.0)))  # fixed points lie 60 mm lower in moving
    half = common_field_of_view(fixed, fixed, as_affine(step), tissue)
    assert np.allclose(half.extent, (88, 99, 33 - 10)) and np.allclose(
        (half.centre - (5, 6, 7)) @ fixed.axes, (0, 0, 21.5)
    )
    far = sitk.TranslationTransform(3, (900.0, 0.0, 0.0))
    assert np.allclose(common_field_of_view(fixed, fixed, as_affine(far), tissue).extent[0], 80)
