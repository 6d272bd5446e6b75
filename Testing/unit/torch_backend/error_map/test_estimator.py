"""The estimator that ships finds an error that was planted, and its result is the same every time."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from regexplain import RegistrationResult, expected_error
from regexplain.cli.verb import offered_error_of
from regexplain.errors import BadInputError
from regexplain.progress import Progress
from regexplain.results.expected_error import NOT_MEASURED, STATES, is_like_measured_images
from regexplain.torch_backend.error_map.estimator import FOLDER, Estimator
from regexplain.transforms.itk import RegistrationTransform, affine_transform, grid_points
from regexplain.volumes.content import ANOTHER_CONTRAST, ANOTHER_KIND
from regexplain.volumes.geometry import Grid

PLANTED_MM, WIDTH_MM = 5.0, 16.0


def textured(size=(76, 70, 64), spacing=2.0, seed=0) -> sitk.Image:
    """A ball of smooth noise in air, in an oblique grid."""
    random = np.random.default_rng(seed)
    noise = sitk.GetImageFromArray(random.normal(size=size[::-1]))
    array = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, 1.6))
    z, y, x = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in size[::-1])]
    array = np.where(x**2 + y**2 + z**2 < 0.9, 10 + 2 * array / array.std(), 0)
    array += 0.1 * random.normal(size=array.shape)
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.1, -0.15, 0.2)
    return Grid(size, (spacing,) * 3, (10.0, -20.0, 30.0), tuple(turn.GetMatrix())).image(array.astype(np.float32))


def result_of(fixed: sitk.Image, moving: sitk.Image, displacement: np.ndarray | None) -> RegistrationResult:
    grid = Grid.of(fixed)
    identity = affine_transform(np.eye(3), np.zeros(3))
    field = None if displacement is None else grid.image(displacement, vector=True)
    transform = RegistrationTransform(identity, field)
    return RegistrationResult(fixed, moving, transform, RegistrationTransform(identity), record={})


def bump(grid: Grid, place: np.ndarray) -> np.ndarray:
    """(z, y, x, 3) LPS mm: PLANTED_MM towards +x at `place`, falling off as a Gaussian."""
    away = np.linalg.norm(grid_points(grid) - place, axis=-1)
    return PLANTED_MM * np.exp(-((away / WIDTH_MM) ** 2) / 2)[..., None] * np.array([1.0, 0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("index", [(30, 40, 28), (46, 30, 36)])
def test_a_planted_error_of_5_mm_is_found_at_its_place_and_size(index):
    fixed = textured()
    place = Grid.of(fixed).world(np.array(index))
    found = expected_error(result_of(fixed, fixed, bump(Grid.of(fixed), place)), threads=1)
    values = sitk.GetArrayFromImage(found.expected)
    peak = Grid.of(fixed).world(np.array(np.unravel_index(values.argmax(), values.shape)[::-1]))
    assert np.linalg.norm(peak - place) <= found.cell_mm * np.sqrt(3)
    assert abs(values.max() - PLANTED_MM) <= 1.0
    bound = sitk.GetArrayFromImage(found.bound90)
    assert (bound >= values).all() and bound[tuple(index[::-1])] >= PLANTED_MM


@pytest.mark.slow
def test_two_images_that_lie_on_each_other_have_hardly_any_error_and_air_has_none_to_tell():
    fixed = textured()
    found = expected_error(result_of(fixed, fixed, None), threads=1)
    told = sitk.GetArrayFromImage(found.told)
    values = sitk.GetArrayFromImage(found.expected)
    assert np.median(values[told == STATES["estimated"]]) < 0.5
    assert told[0, 0, 0] == 0 and (values[told != STATES["estimated"]] == 0).all()


@pytest.mark.slow
def test_a_result_is_the_same_every_time_and_for_every_storage_of_the_scan():
    fixed = textured((50, 46, 44))
    one, two = (sitk.GetArrayFromImage(expected_error(result_of(fixed, fixed, None)).expected) for _ in range(2))
    assert np.array_equal(one, two)
    flipped = sitk.Flip(fixed, (True, False, True))
    other = expected_error(result_of(flipped, flipped, None)).expected
    back = sitk.GetArrayFromImage(Grid.of(fixed).resample(other))
    inside = slice(8, -8)
    assert np.abs(back - one)[inside, inside, inside].mean() < 0.1


def test_damaged_weights_are_refused(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "e")
    data = bytearray((tmp_path / "e" / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "e" / "weights.safetensors").write_bytes(data)
    with pytest.raises(BadInputError, match="estimator of the error map is damaged"):
        Estimator.load(tmp_path / "e")


def test_it_is_as_small_as_its_card_says():
    card = json.loads((FOLDER / "card.json").read_text(encoding="utf-8"))
    network = Estimator.load().network
    count = sum(p.numel() for p in network.parameters())
    assert count == card["parameters"] < 200_000
    train, calibrate, test = (set(card["training"][key]) for key in ("subjects", "calibrated_on", "tested_on"))
    assert not (train & calibrate or train & test or calibrate & test)


@pytest.mark.slow
def test_small_images_that_were_never_measured_get_the_map_on_demand_only_and_with_a_warning():
    fixed = textured((40, 36, 34), 1.0)
    result = result_of(fixed, fixed, None)
    assert offered_error_of(result, Progress()) == []
    assert expected_error(result).warnings == [NOT_MEASURED]
    assert expected_error(result_of(textured(), textured(), None)).warnings == []


@pytest.mark.parametrize(
    ("record", "offered"),
    [
        ({}, True),  # a transform made elsewhere
        ({"model": {"chosen": "named"}}, True),
        ({"content": {"fixed": None, "moving": ANOTHER_KIND}, "model": {"chosen": "auto"}}, True),
        ({"content": {"fixed": f"{ANOTHER_CONTRAST} a T1", "moving": None}, "model": {"chosen": "auto"}}, True),
        ({"content": {"fixed": ANOTHER_KIND, "moving": ANOTHER_KIND}, "model": {"chosen": "auto"}}, False),
        ({"model": {"chosen": "auto"}}, False),  # CT: no network that knows heads was asked
    ],
)
def test_the_map_comes_by_itself_where_a_network_that_knows_heads_sees_one(record, offered):
    image = sitk.Image((20, 20, 20), sitk.sitkFloat32)
    image.SetSpacing((8.0, 8.0, 8.0))
    assert is_like_measured_images(image, record) == offered


def test_a_registration_that_went_badly_wrong_says_that_its_bound_does_not_hold():
    fixed = textured()
    away = np.broadcast_to([6.0, -6.0, 0.0], (*fixed.GetSize()[::-1], 3))
    [warning] = expected_error(result_of(fixed, fixed, away), threads=1).warnings
    assert warning.startswith("Half of this registration is expected to be wrong by")
