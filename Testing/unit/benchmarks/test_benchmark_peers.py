"""The comparison with other methods: everybody's transforms scored alike, on cases whose answer is known."""

import importlib.util

import numpy as np
import pytest
import SimpleITK as sitk

import measuring
import peers
import registration_methods as methods
import sample_pair
from regexplain.transforms.itk import displacement_transform
from regexplain.volumes.geometry import Grid
from transform_scores import scores

SIZE = (20, 22, 24)
OBLIQUE = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.4, -0.3, 0.9).GetMatrix()
DIRECTIONS = {"straight": np.eye(3).ravel(), "RAS": np.diag([-1.0, -1.0, 1.0]).ravel(), "oblique": np.array(OBLIQUE)}


def boxes(x: int = 5, direction=None) -> sitk.Image:
    """Label 1, of 6 × 4 × 8 voxels, from index x on, and label 2, twice as wide in y, beside it."""
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[8:16, 4:8, x : x + 6] = 1
    labels[8:16, 10:18, x : x + 6] = 2
    image = sitk.GetImageFromArray(labels)
    image.SetDirection(DIRECTIONS["straight"].tolist() if direction is None else direction.tolist())
    return image


def translation(millimetres) -> sitk.Transform:
    return sitk.TranslationTransform(3, np.asarray(millimetres, float).tolist())


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_dice_is_that_of_boxes_shifted_along_x(name):
    direction = DIRECTIONS[name]
    fixed, moving = boxes(5, direction), boxes(7, direction)
    along_x = direction.reshape(3, 3)[:, 0]
    for shift, expected in ((0, 4 / 6), (2, 1.0), (1, 5 / 6), (-2, 2 / 6), (-4, 0.0)):
        found = scores(translation(shift * along_x), fixed, moving)
        assert found["dice"] == pytest.approx(expected)
        assert (found["share_folded"], found["log_sd"]) == (0, pytest.approx(0, abs=1e-6))


def test_the_dice_is_the_mean_over_labels_not_over_voxels():
    fixed, moving = boxes(), sitk.GetArrayFromImage(boxes())
    moving[moving == 2] = 0
    assert scores(sitk.Transform(), fixed, sitk.GetImageFromArray(moving))["dice"] == pytest.approx(0.5)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_the_folded_share_is_that_of_a_field_turned_over_in_one_slab(name):
    """u = −3 z index in slices 6 … 17, constant outside: det J is −2 inside, −0.5 on the two edges, 1 elsewhere."""
    fixed = boxes(direction=DIRECTIONS[name])
    height = np.zeros(SIZE[::-1])
    height += -3.0 * np.clip(np.arange(SIZE[2]), 6, 17)[:, None, None]
    vectors = height[..., None] * DIRECTIONS[name].reshape(3, 3)[:, 2]
    field = displacement_transform(Grid.of(fixed).image(vectors, vector=True))
    assert scores(field, fixed, fixed)["share_folded"] == pytest.approx(12 / SIZE[2])


def test_the_spread_of_log_det_j_is_that_of_two_halves():
    """A field that squeezes one half to e^-0.2 and stretches the other to e^0.2 along z."""
    fixed = boxes()
    slopes = np.repeat([np.exp(-0.2) - 1, np.exp(0.2) - 1], SIZE[2] // 2)
    vectors = np.zeros((*SIZE[::-1], 3))
    vectors[..., 2] = np.cumsum(slopes)[:, None, None]
    found = scores(displacement_transform(Grid.of(fixed).image(vectors, vector=True)), fixed, fixed)
    assert found["log_sd"] == pytest.approx(0.2, abs=0.02)


def test_a_matrix_between_ras_points_becomes_the_same_map_between_lps_points():
    ras = np.eye(4)
    ras[:3, :3] = np.array(OBLIQUE).reshape(3, 3) * 1.1
    ras[:3, 3] = 3, -5, 7
    x, y, z = 11.0, -4.0, 6.0  # RAS
    expected = ras @ [x, y, z, 1]
    found = methods.affine_from_ras(ras).TransformPoint((-x, -y, z))
    assert found == pytest.approx((-expected[0], -expected[1], expected[2]))


def test_every_method_starts_from_middles_laid_on_each_other():
    image = boxes(direction=DIRECTIONS["oblique"])
    image.SetOrigin((30.0, -20.0, 10.0))
    moved = peers.centred(image)
    assert Grid.of(moved).centre == pytest.approx(np.zeros(3), abs=1e-9)
    assert moved.GetDirection() == image.GetDirection()
    assert image.GetOrigin() == (30.0, -20.0, 10.0)


def line(method: str, kind: str, dice: float, seconds: float) -> dict:
    return {
        "method": method, "kind": kind, "fixed": "a", "moving": "b", "dice": dice, "share_folded": 0.001, "log_sd": 0.2,
        "seconds": seconds, "cpu_seconds": seconds,
    }  # fmt: skip


def test_times_are_medians_and_multiples_of_the_fastest_deformable_peer():
    rows = [line("fast affine", "affine peer", 0.5, 0.1), line("us", "RegExplain", 0.9, 1.0)]
    rows += [line("peer", methods.DEFORMABLE_PEER, dice, s) for dice, s in ((0.6, 2), (0.8, 4), (0.7, 90))]
    rows += [line("slow peer", methods.DEFORMABLE_PEER, 0.7, 8)]
    affine, us, peer, slow = peers.summary(rows)
    assert [found["times_fastest"] for found in (affine, us, peer, slow)] == [0.025, 0.25, 1, 2]
    assert (peer["pairs"], peer["dice"], peer["dice_sd"]) == (3, pytest.approx(0.7), pytest.approx(np.sqrt(0.02 / 3)))
    text = peers.markdown([affine, us, peer, slow]).splitlines()
    assert len({len(row) for row in text}) == 1
    assert [cell.strip() for cell in text[4].split("|")[1:6]] == ["peer", "0.700 ± 0.082", "0.1000", "0.200", "4.00"]


def placed(middle, direction: np.ndarray) -> sitk.Image:
    """The sample pair's fixed image, turned, with its middle at a point (LPS mm)."""
    image = sitk.Cast(sample_pair.image("fixed"), sitk.sitkFloat32)
    image.SetDirection(direction.tolist())
    image = peers.centred(image)
    image.SetOrigin((np.array(image.GetOrigin()) + middle).tolist())
    return image


PEER_METHODS = [
    ("picsl_greedy", "affine peer", "greedy, affine"),
    ("picsl_greedy", methods.DEFORMABLE_PEER, "greedy, NCC"),
    ("ants", methods.DEFORMABLE_PEER, "ANTs SyN, CC"),
]


@pytest.mark.parametrize("direction", ["RAS", "oblique"])
@pytest.mark.parametrize(("package", "kind", "name"), PEER_METHODS)
def test_a_peers_transform_maps_a_fixed_point_to_where_its_tissue_lies(package, kind, name, direction):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed here; benchmarks/README.md sets up an environment that has it")
    measuring.use_one_thread()
    shift = np.array([2.0, -1.5, 1.0])
    fixed, moving = (placed(middle, DIRECTIONS[direction]) for middle in (np.zeros(3), shift))
    with measuring.quiet_libraries():
        transform = methods.all_kinds([], 0)[kind][name](fixed, moving)
    for point in ((0.0, 0.0, 0.0), (3.0, 2.0, -4.0), (-2.0, 4.0, 3.0)):
        assert transform.TransformPoint(point) == pytest.approx(point + shift, abs=0.4)
