"""The comparison on two contrasts: known warps, label maps as subjects, and transforms that go the right way."""

import importlib.util

import numpy as np
import pytest
import SimpleITK as sitk

import crop_pairs
import known_warp
import labelled_heads
import measuring
import multimodal_methods as methods
import multimodal_peers
from regexplain.transforms.itk import affine_transform
from regexplain.volumes.geometry import Grid

TURNED = (-1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, -1.0, 0.0)


def translation(*millimetres: float) -> sitk.Transform:
    return affine_transform(np.eye(3), np.array(millimetres))


def ball(size=(40, 44, 48), direction=TURNED) -> tuple[sitk.Image, np.ndarray]:
    """An image of 2 mm cells with its middle at (10, −20, 30) mm, and which of its voxels lie in a ball."""
    z, y, x = np.ogrid[tuple(slice(-(n - 1) / 2, n / 2) for n in size[::-1])]
    inside = x**2 + y**2 + z**2 < 15**2
    image = sitk.GetImageFromArray(inside.astype(np.float32))
    image.SetSpacing([2.0] * 3)
    image.SetDirection(direction)
    image.SetOrigin((np.array([10.0, -20, 30]) - Grid.of(image).centre).tolist())
    return image, inside


def test_the_known_warp_has_its_length_and_its_seed_decides():
    image, inside = ball()
    points = known_warp.points_inside(image, inside)
    still = translation(0, 0, 0)
    warps = [known_warp.random_warp(image, inside, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    lengths = [known_warp.lengths(still, warp, points) for warp in warps]
    assert np.sqrt((lengths[0] ** 2).mean()) == pytest.approx(4, rel=0.05)
    assert np.array_equal(lengths[0], lengths[1])
    assert not np.allclose(lengths[0], lengths[2])


def test_points_are_voxels_of_the_tissue_in_the_world():
    image, inside = ball()
    points = known_warp.points_inside(image, inside)
    middle = Grid.of(image).centre
    assert np.linalg.norm(points - middle, axis=1).max() < 30
    assert points.mean(0) == pytest.approx(middle, abs=1)


def test_resampling_moves_nothing():
    image, _ = ball()
    finer = known_warp.resampled(image, 1.0)
    assert (finer.GetOrigin(), finer.GetDirection()) == (image.GetOrigin(), image.GetDirection())
    assert finer.GetSize() == tuple(2 * n for n in image.GetSize())
    assert np.array_equal(sitk.GetArrayFromImage(finer)[::2, ::2, ::2], sitk.GetArrayFromImage(image))


def test_what_undoes_the_warp_has_no_error_and_the_warp_itself_twice_its_length():
    image, inside = ball()
    points, grid = known_warp.points_inside(image, inside), Grid.of(image)
    warp = translation(3, 0, -4)
    undone = (translation(-3, 0, 4), lambda: translation(3, 0, -3))
    found = multimodal_peers.known_warp_scores(undone, warp, points, grid)
    assert (found["error_mm"], found["error_p95_mm"]) == (pytest.approx(0, abs=1e-9),) * 2
    assert found["inverse_mm"] == pytest.approx(1)
    again = multimodal_peers.known_warp_scores((warp, None), warp, points, grid)
    assert (again["error_mm"], again["share_folded"]) == (pytest.approx(10), 0)
    assert np.isnan(again["inverse_mm"])


def test_a_head_is_scored_through_its_affine_after_the_deformation():
    """Moving = what the affine, twice as large about the origin, makes of fixed moved by 8 mm before it."""
    fixed, inside = ball()
    fixed = sitk.Cast(fixed, sitk.sitkUInt8)
    linear = affine_transform(2 * np.eye(3), np.zeros(3))
    whole = sitk.CompositeTransform([linear, translation(8, 0, 0)])
    large = Grid((120, 120, 120), (2.0,) * 3, (-70.0, -160.0, -60.0), tuple(np.eye(3).ravel()))
    moving = large.resample(fixed, whole.GetInverse(), nearest=True)
    points = known_warp.points_inside(fixed, inside)
    found = multimodal_peers.head_scores((translation(8, 0, 0), None), linear, fixed, moving, points)
    wrong = multimodal_peers.head_scores((translation(-8, 0, 0), None), linear, fixed, moving, points)
    assert found["dice"] > 0.97 > 0.7 > wrong["dice"]


def test_the_two_contrasts_of_a_head_show_its_tissues_where_they_are(tmp_path):
    """A white ball in a ventricle, stored along other axes: bright in dark on both, and the structures on its grid."""
    z, y, x = np.ogrid[tuple(slice(-31.5, 32) for _ in range(3))]
    radius = np.sqrt((x - 6) ** 2 + y**2 + z**2)
    codes = np.where(radius < 8, 2, np.where(radius < 20, 4, 0)).astype(np.int32)
    image = sitk.GetImageFromArray(codes)
    image.SetDirection(TURNED)
    sitk.WriteImage(image, str(tmp_path / "head_99.nii.gz"))
    head = labelled_heads.read_head(tmp_path / "head_99.nii.gz")
    t1, flair = (sitk.GetArrayFromImage(head.seen(which, 0)) for which in (labelled_heads.T1, labelled_heads.FLAIR))
    again = sitk.GetArrayFromImage(head.seen(labelled_heads.T1, 0))
    structures = sitk.GetArrayFromImage(head.structures)
    names = ["", *labelled_heads.STRUCTURES]
    white, fluid = (structures == names.index(f"left {name}") for name in ("white matter", "lateral ventricle"))
    assert head.structures.GetSpacing() == (2, 2, 2)
    assert white.sum() == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.1)
    for contrast in (t1, flair):
        assert contrast[white].mean() > 2 * contrast[fluid].mean() > 4 * contrast[structures == 0].mean()
    assert np.array_equal(t1, again)
    assert sorted(labelled_heads.TABLE) == sorted(name for name, known in labelled_heads.TISSUES.items() if known)


def test_methods_that_cannot_be_measured_here_are_left_out_with_a_sentence(monkeypatch):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    sentences = methods.missing("no-such-model")
    assert len(sentences) == len(methods.PEERS) + 1
    assert "elastix" in sentences[2] and "no-such-model" in sentences[-1]
    kinds = methods.all_kinds("no-such-model", refine=5)
    assert {kind: list(known) for kind, known in kinds.items() if known} == {"start": ["unregistered"]}


def wavy(shift=(0.0, 0.0, 0.0), power: float = 1) -> sitk.Image:
    """A textured ball whose tissue lies `shift` (LPS mm) further along; the power makes another contrast of it."""
    image, inside = ball()
    random = np.random.default_rng(0)
    texture = known_warp.smoothed(random.normal(size=inside.shape), 2.0)
    values = np.where(inside, 1 + 0.5 * texture / texture.std(), 0).clip(0) ** power
    made = Grid.of(image).image(values.astype(np.float32))
    return Grid.of(image).resample(made, translation(*(-np.array(shift))))


@pytest.mark.parametrize("package", methods.PEERS)
def test_a_peer_finds_where_tissue_of_another_contrast_lies(package):
    if importlib.util.find_spec(methods.MODULES[package]) is None:
        pytest.skip(f"{package} is not installed here; benchmarks/README.md sets up an environment that has it")
    measuring.use_one_thread()
    shift = np.array([3.0, -2.0, 2.0])
    fixed, moving = wavy(), wavy(shift, power=2)
    middle = Grid.of(fixed).centre
    for name, method in methods.PEERS[package].items():
        with measuring.quiet_libraries():
            there, back = method(fixed, moving)
        points = middle + np.array([[0.0, 0, 0], [8, 0, 0], [0, -8, 0], [0, 0, 8]])
        found = np.array([there.TransformPoint(point) for point in points.tolist()])
        assert np.linalg.norm((found - points - shift).mean(0)) < 1.2, name
        if back is not None:
            assert known_warp.lengths(there, back(), points).max() < 0.7, name


def test_landmarks_are_the_middles_of_the_small_labels_and_go_the_way_of_the_points():
    image, _ = ball()
    array = np.ones(image.GetSize()[::-1], np.uint8)
    array[10:13, 20:23, 30:33], array[5, 6, 7] = 2, 4
    found = crop_pairs.middles(Grid.of(image).image(array))
    points = np.array([image.TransformContinuousIndexToPhysicalPoint(index) for index in ((31, 21, 11), (7, 6, 5))])
    assert list(found) == [2, 4] and np.allclose(list(found.values()), points)
    linear, moved = affine_transform(2 * np.eye(3), np.zeros(3)), translation(8, 0, 0)
    rest = Grid.of(image).image((array == 1).astype(np.uint8))
    wanted = {"affine": linear, "fixed": rest, "moving": rest, "landmarks": (points, 2 * (points + [8, 0, 0]))}
    assert crop_pairs.crop_scores((moved, None), **wanted)["landmarks_mm"] == pytest.approx(0, abs=1e-9)
    assert crop_pairs.crop_scores((translation(-8, 0, 0), None), **wanted)["landmarks_mm"] == pytest.approx(32)


def test_a_pair_without_landmarks_counts_for_nothing_in_their_mean():
    rows = [
        {"method": "a", "kind": "peer", "mm": mm, "none": np.nan, "seconds": 1.0, "cpu_seconds": 1.0}
        for mm in (1.0, np.nan, 3.0)
    ]
    (line,) = measuring.averaged(rows, ("mm", "none"), ())
    assert line["mm"] == 2 and np.isnan(line["none"])
