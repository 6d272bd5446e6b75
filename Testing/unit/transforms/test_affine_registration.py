"""The affine registration: what was done to a made body is found; where nothing is to be found, nothing is done."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equivalent_scans import rotation
from regexplain.transforms import similarity
from regexplain.transforms.affine_registration import is_plausible, register_affine, register_affine_pair
from regexplain.transforms.itk import affine_matrix, apply_affine, grid_points
from regexplain.transforms.similarity import ComparedPair
from regexplain.volumes.geometry import Grid
from regexplain.volumes.intensities import background_value, padding_values, without_padding

SIZE, SPACING = (48, 40, 36), (6.0, 6.0, 7.0)
AIR = -1000


def body(matrix=None, shift=(0, 0, 0), seed=0, size=SIZE, spacing=SPACING) -> sitk.Image:
    """A made chest, HU; its point p lies at matrix · p + shift. Origin in the middle."""
    grid = sitk.Image(size, sitk.sitkInt16)
    grid.SetSpacing(spacing)
    grid.SetOrigin((-(np.array(size) - 1) / 2 * spacing).tolist())
    back = np.linalg.inv(np.eye(3) if matrix is None else matrix)
    x, y, z = np.moveaxis((grid_points(Grid.of(grid)) - shift) @ back.T, -1, 0)
    values = np.full(x.shape, float(AIR))
    values[(x / 115) ** 2 + ((y + 0.1 * z) / 80) ** 2 + (z / 105) ** 2 < 1] = 40
    for centre, radii, value in (
        ((-50, -8, 15), (35, 45, 60), -800),
        ((55, -8, 25), (30, 45, 50), -800),
        ((12, -30, -35), (30, 25, 25), 150),
        ((0, 50, 0), (14, 14, 95), 600),
    ):
        parts = ((p - c) / r for p, c, r in zip((x, y, z), centre, radii, strict=True))
        values[sum(part**2 for part in parts) < 1] = value
    noisy = values + np.random.default_rng(seed).normal(0, 12, values.shape)
    return Grid.of(grid).image(np.clip(np.round(noisy), AIR, 3000).astype(np.int16))


def padded(image: sitk.Image, value: float) -> sitk.Image:
    """`value` outside the circle of reconstruction, which stays where the scanner is."""
    array = sitk.GetArrayFromImage(image)
    _, rows, columns = array.shape
    y, x = np.mgrid[:rows, :columns]
    array[:, np.hypot((x + 0.5) / columns - 0.5, (y + 0.5) / rows - 0.5) > 0.5] = value
    return Grid.of(image).image(array)


def error_mm(found: sitk.AffineTransform, matrix, shift) -> float:
    points = np.random.default_rng(1).uniform(-1, 1, (300, 3)) * [110, 75, 100]
    return float(np.linalg.norm(apply_affine(found, points) - (points @ np.asarray(matrix).T + shift), axis=1).mean())


@pytest.mark.ci
@pytest.mark.slow
@settings(max_examples=2)
@given(
    st.sampled_from([-3024, -2000, -1500, 0, 2000]),
    st.tuples(*[st.integers(-20, 20)] * 3),
    st.sampled_from([0.95, 1.0, 1.05]),
)
@example(-2000, (18, -12, 20), 1.04)
def test_what_a_scanner_filled_in_is_not_aligned(padding, shift, scale):
    fixed, moving = body(), body(np.eye(3) * scale, shift, 1)
    found = register_affine(padded(fixed, padding), padded(moving, padding))
    assert error_mm(found.transform, np.eye(3) * scale, shift) < 1.5  # a quarter of a voxel


@pytest.mark.ci
@pytest.mark.slow
@settings(max_examples=3)
@given(
    st.floats(-20, 20),
    st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.3),
    st.floats(0.85, 1.2),
    st.tuples(*[st.floats(-15, 15)] * 3),
)
def test_a_turned_and_scaled_body_is_found_and_never_mirrored(degrees, axis, scale, shift):
    matrix = rotation(axis, degrees) * scale
    found = register_affine(body(), body(matrix, shift, 1)).transform
    assert np.linalg.det(affine_matrix(found)[:3, :3]) > 0
    assert error_mm(found, matrix, shift) < 3.0  # half a voxel


@pytest.mark.slow
def test_of_images_that_have_nothing_in_common_only_the_middles_are_laid_on_each_other():
    random = np.random.default_rng(0)
    pair = [Grid.of(body()).image(random.normal(size=SIZE[::-1])) for _ in range(2)]
    found = register_affine(*(sitk.SmoothingRecursiveGaussian(image, 15.0) for image in pair))
    assert np.allclose(affine_matrix(found.transform), np.eye(4)), found.steps
    assert found.warning == "Only the image centres were aligned: nothing better was found."


@pytest.mark.slow
def test_headers_that_are_right_are_found_where_middles_are_not():
    fixed = body()
    moving = body(seed=1)[:, :, 12:]
    assert error_mm(register_affine(fixed, moving).transform, np.eye(3), (0, 0, 0)) < 1.0


@pytest.mark.slow
def test_only_what_is_in_the_masks_counts():
    fixed, moving = body(), body(shift=(12, 0, 0), seed=1)
    for image in (fixed, moving):  # a table that stays where it is
        image[:, 36:39, :] = 2500
    masks = []
    for image in (fixed, moving):
        inside = np.ones(SIZE[::-1], np.uint8)
        inside[:, 33:] = 0
        masks.append(Grid.of(image).image(inside))
    assert error_mm(register_affine(fixed, moving, *masks).transform, np.eye(3), (12, 0, 0)) < 1.5


@pytest.mark.parametrize(
    ("matrix", "possible"),
    [
        (np.eye(3), True),
        (np.diag([-1, 1, 1]), False),
        (np.eye(3) * 0.4, False),
        (np.eye(3) * 2.1, False),
        ([[1, 0.6, 0], [0, 1, 0], [0, 0, 1]], False),
        (np.full((3, 3), np.nan), False),
    ],
)
def test_mirrors_and_wild_stretches_are_not_plausible(matrix, possible):
    assert is_plausible(np.array(matrix, float)) is possible


@pytest.mark.parametrize("padding", [-3024, -2000, -1500, 0, 3000])
def test_the_background_of_a_padded_ct_is_air(padding):
    image = padded(body(), padding)
    assert padding in padding_values(sitk.GetArrayFromImage(image))
    assert background_value(image) == AIR
    clean = sitk.GetArrayFromImage(without_padding(image))
    assert clean.min() == AIR and clean[:, 0, 0].max() == AIR


def test_the_background_of_a_head_is_what_was_filled_in():
    array = np.random.default_rng(0).integers(20, 900, (30, 30, 30)).astype(np.int16)
    array[:, :6] = 0
    assert background_value(sitk.GetImageFromArray(array)) == 0


def test_tissue_at_the_border_is_no_filling():
    array = np.random.default_rng(0).normal(100, 8, (30, 30, 30)).astype(np.uint8)
    assert padding_values(array) == []


@pytest.mark.slow
def test_an_affine_is_recorded_with_its_steps():
    found = register_affine(body(), body(shift=(10, 0, 5), seed=1))
    assert found.kind == "affine" and "rigid" in found.steps and found.warning is None


@pytest.mark.slow
def test_what_all_who_compare_a_pair_need_is_made_once(monkeypatch):
    """The clipping and blurring of two whole scans, seconds of a head, by the alignment and by what judges it."""
    made = []
    pair = ComparedPair(body(), body(shift=(10, 0, 5), seed=1))
    monkeypatch.setattr(
        similarity, "antialias", lambda image, spacing: made.append((image.GetSize(), spacing)) or image
    )
    monkeypatch.setattr(
        similarity, "without_padding", lambda image: made.append((image.GetSize(), image.GetPixelID())) or image
    )
    for _time in range(2):
        register_affine_pair(pair)
        pair.similarity(similarity.FINE_CELLS)
    of_scans = [made_of for made_of in made if made_of[0] == SIZE]
    assert [of_scans.count(one) for one in set(of_scans)] == [2, 2], of_scans  # of fixed and of moving
