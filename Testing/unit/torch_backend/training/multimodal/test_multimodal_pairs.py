"""Training pairs of T1-like and FLAIR-like images: the motion that is told is the motion that was made."""

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from regexplain.torch_backend.spatial.warp import resize_displacement, warp
from regexplain.torch_backend.training.multimodal import contrasts, pairs
from regexplain.torch_backend.training.multimodal.anatomies import MIRRORED, STRUCTURES, TISSUE, anatomy_of
from regexplain.torch_backend.training.multimodal.contrasts import Acquisition
from regexplain.torch_backend.training.multimodal.fields import slice_profiles
from regexplain.torch_backend.training.multimodal.heads import head_pair
from regexplain.torch_backend.training.multimodal.visits import Visit, rigidly_registered
from regexplain.volumes.geometry import centred_grid
from regexplain.volumes.intensities import robust_rescale
from synthetic_heads import head_codes

SIZE = (32, 48, 32)
NOTHING_ADDED = Acquisition(None, False, 0.05, None, -3, 0.0, 0.0, 0.0, (0.0, 0.0))
NAMES = list(STRUCTURES)


@pytest.fixture(scope="module")
def head():
    return anatomy_of(head_codes(), 1)


@pytest.fixture(scope="module")
def other_head():
    return anatomy_of(np.roll(head_codes((2, -4, 0)), (0, 4, -6), (0, 1, 2)), 2)


def drawn_by(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def correlation(a, b, weight) -> float:
    return float(np.corrcoef(a[weight > 0.5], b[weight > 0.5])[0, 1])


@pytest.fixture
def one_contrast(monkeypatch):
    """Both images of a pair look alike and the scanner adds nothing: what differs is the motion."""
    look = contrasts.Appearance(0, torch.linspace(0.0, 1.0, len(TISSUE)), torch.zeros(len(TISSUE)), 1.0, (1.0, 1.0))
    monkeypatch.setattr(pairs, "random_appearance", lambda modality, *_: dataclasses.replace(look, modality=modality))
    monkeypatch.setattr(pairs, "random_acquisition", lambda *_: NOTHING_ADDED)
    monkeypatch.setattr(pairs, "STRIPPED", 0.0)
    monkeypatch.setattr(contrasts, "_lesions", lambda anatomy, box, _: torch.zeros(box.of(anatomy.first).shape))


@pytest.mark.parametrize("seed", range(4))
def test_the_moving_image_warped_by_the_truth_is_the_fixed_image(head, one_contrast, seed):
    pair = pairs.same_subject(head, drawn_by(seed), SIZE)
    weight = resized_weight(pair)
    for start, target, motion in (
        (pair.moving, pair.fixed, pair.displacement),
        (pair.fixed, pair.moving, pair.inverse),
    ):
        full = resize_displacement(motion[None], target.shape[1:])
        there, back = (warp(start[None], sign * full)[0].numpy() for sign in (1, -1))
        still = correlation(start.numpy(), target.numpy(), weight)
        assert correlation(there, target.numpy(), weight) > 0.98
        assert correlation(back, target.numpy(), weight) < still < 0.975


def resized_weight(pair) -> np.ndarray:
    """Where the truth counts for sure, on the image's cells."""
    sure = -torch.nn.functional.max_pool3d(-pair.weight, 3, 1, 1)
    inside = torch.zeros_like(sure)
    inside[:, 4:-4, 4:-4, 4:-4] = 1
    return (sure * inside).repeat_interleave(2, 1).repeat_interleave(2, 2).repeat_interleave(2, 3).numpy()


def test_no_half_voxel_is_lost_between_the_two_grids(head, one_contrast, monkeypatch):
    """A pure translation by one cell of 2 mm, half a cell of the motion's grid, moves the image by exactly one cell."""
    shape = pairs.with_margin(SIZE)
    step = torch.tensor([0.5, -1.0, 1.5]).view(1, 3, 1, 1, 1).expand(1, 3, *shape)
    monkeypatch.setattr(pairs, "random_motion", lambda *_: step)
    pair = pairs.same_subject(head, drawn_by(1), SIZE)
    # fixed(p) = moving(p + u): one cell towards +x, two towards −y, three towards +z
    fixed, moving = pair.fixed[0, 4:-4, 4:-4, 4:-4], pair.moving[0, 7:-1, 2:-6, 5:-3]
    assert float((fixed - moving).abs().max()) < 0.01 < float((fixed - pair.moving[0, 4:-4, 4:-4, 4:-4]).abs().mean())


def test_the_images_and_the_motion_span_the_same_box():
    """The half grid's positions, in cells of 2 mm from the middle, become those of the image's cells."""
    points = pairs.upsample_points(2 * pairs.centred_cells(pairs.with_margin(SIZE)), SIZE)
    assert torch.allclose(points, pairs.centred_cells(SIZE[::-1]), atol=1e-4)


def test_the_two_truths_undo_each_other(head):
    pair = pairs.same_subject(head, drawn_by(3), SIZE)
    there_and_back = pair.displacement + warp(pair.inverse[None], pair.displacement[None])[0]
    assert float(there_and_back[:, 4:-4, 4:-4, 4:-4].norm(dim=0).mean()) * pairs.HALF_MM < 0.1
    assert float(pair.displacement.norm(dim=0).mean()) * pairs.HALF_MM > 1


def test_segments_follow_the_same_truth(head):
    pair = pairs.same_subject(head, drawn_by(2), SIZE)
    warped = warp(pair.moving_segments[None], pair.displacement[None])[0]
    inside = pair.weight[0] > 0.5
    for name in ("left white matter", "right white matter"):
        k = NAMES.index(name)
        assert pair.fixed_segments[k].sum() > 100
        assert correlation(warped[k].numpy(), pair.fixed_segments[k].numpy(), inside.numpy()) > 0.95


def test_left_structures_lie_left_in_every_view_also_in_mirrored_ones(head):
    sides = set()
    for seed in range(8):
        view, mirrored = pairs.random_view(head, SIZE, drawn_by(seed))
        sides.add(mirrored)
        labels = pairs.labels_at(head, pairs.upsample_points(view, SIZE), mirrored)
        segments = pairs.structure_shares(labels)
        left, right = (segments[NAMES.index(f"{side} white matter")] for side in ("left", "right"))
        x = torch.arange(left.shape[2])
        assert (left * x).sum() / left.sum() > (right * x).sum() / right.sum()
    assert sides == {True, False}


def test_mirroring_twice_is_nothing():
    assert [MIRRORED[k] for k in MIRRORED] == list(range(len(MIRRORED)))
    assert NAMES[MIRRORED[NAMES.index("left caudate")]] == "right caudate"
    assert NAMES[MIRRORED[NAMES.index("brainstem")]] == "brainstem"


def test_cells_of_2_mm_shift_no_structure():
    """A structure's centre of mass on 2 mm cells is that on 1 mm voxels, wherever it lies."""
    codes = head_codes((1, 0, 1))
    anatomy = anatomy_of(codes, 1)
    start = [np.flatnonzero(codes.any((1, 2)))[0], np.flatnonzero(codes.any((0, 2)))[0], codes.any((0, 1)).argmax()]
    corner = np.array([max(0, s // 4 * 4 - 8) for s in start])[::-1]
    for name in ("left caudate", "right putamen", "left hippocampus"):
        true = np.argwhere(np.isin(codes, STRUCTURES[name])).mean(0)[::-1]
        found = anatomy.centroids[NAMES.index(name)].numpy() * 2 + 0.5 + corner
        assert np.abs(found - true).max() < 0.3  # mm; half a cell would be 1


@pytest.mark.slow
def test_the_same_generator_gives_the_same_pair(head, other_head):
    for make in (
        lambda g: pairs.same_subject(head, g, SIZE),
        lambda g: pairs.between_subjects(head, other_head, g, SIZE),
        lambda g: head_pair(head, other_head, g),
    ):
        one, two, three = (make(drawn_by(seed)) for seed in (7, 7, 8))
        for field in dataclasses.fields(one):
            assert torch.equal(getattr(one, field.name), getattr(two, field.name))
        assert not torch.equal(one.moving, three.moving)


def test_a_pair_has_the_promised_shapes_and_ranges(head, other_head):
    x, y, z = SIZE
    for pair in (
        pairs.same_subject(head, drawn_by(5), SIZE),
        pairs.between_subjects(head, other_head, drawn_by(5), SIZE),
        pairs.same_subject(visit_of(head), drawn_by(5), SIZE),
    ):
        for image in (pair.fixed, pair.moving, pair.aligned_other, pair.moving_other):
            assert image.shape == (1, z, y, x) and image.min() >= 0 and 0.3 < image.max() <= 1
        assert pair.displacement.shape == pair.inverse.shape == (3, z // 2, y // 2, x // 2)
        assert pair.weight.shape == (1, z // 2, y // 2, x // 2)
        assert pair.fixed_segments.shape == pair.moving_segments.shape == (len(STRUCTURES), z // 2, y // 2, x // 2)
        assert all(torch.isfinite(getattr(pair, f.name).float()).all() for f in dataclasses.fields(pair))
    assert pairs.stack_pairs([pair, pair]).fixed_modality.shape == (2,)


def test_between_subjects_nothing_is_claimed_about_the_motion_and_the_structures_lie_near(head, other_head):
    pair = pairs.between_subjects(head, other_head, drawn_by(11), SIZE)
    assert float(pair.weight.sum()) == 0 and float(pair.has_segments) == 1
    k = NAMES.index("left white matter")
    overlap = 2 * (pair.fixed_segments[k] * pair.moving_segments[k]).sum()
    assert overlap / (pair.fixed_segments[k] + pair.moving_segments[k]).square().sum() > 0.35


def test_the_affine_between_two_heads_lays_their_centroids_on_each_other(head, other_head):
    matrix = head.alignment(other_head)
    known = head.centroids.isfinite().all(1)
    moved = head.centroids[known] @ matrix[:, :3].T + matrix[:, 3]
    assert float((moved - other_head.centroids[known]).norm(dim=1).max()) < 0.5
    assert float((head.centroids[known] - other_head.centroids[known]).norm(dim=1).min()) > 1


def test_modalities_come_in_both_orders_and_seldom_twice():
    drawn = [pairs.random_modalities(drawn_by(seed)) for seed in range(300)]
    assert 0.05 < np.mean([a == b for a, b in drawn]) < 0.27
    assert {(0, 1), (1, 0), (0, 0), (1, 1)} == set(drawn)


def test_the_other_modality_lies_on_the_cells_of_the_image(head, one_contrast):
    pair = pairs.same_subject(head, drawn_by(4), SIZE)
    everywhere = np.ones(pair.fixed.shape)
    assert correlation(pair.fixed.numpy(), pair.aligned_other.numpy(), everywhere) > 0.98
    assert correlation(pair.moving.numpy(), pair.moving_other.numpy(), everywhere) > 0.98
    assert correlation(pair.moving.numpy(), pair.aligned_other.numpy(), everywhere) < 0.97


def test_flair_has_dark_fluid_and_bright_lesions_and_t1_bright_white_matter(head):
    for seed in range(10):
        t1, flair = (contrasts.random_appearance(m, head, drawn_by(seed)) for m in (contrasts.T1, contrasts.FLAIR))
        white, cortex, fluid = (TISSUE[name] for name in ("white matter", "cortex", "ventricle"))
        assert t1.means[white] > t1.means[cortex] > t1.means[fluid]
        assert flair.means[fluid] < 0.5 * flair.means[white] and flair.means[cortex] > 0.9 * flair.means[white]
        assert t1.lesion <= 1.0 < flair.lesion


def test_stripping_leaves_the_brain_and_nothing_outside(head):
    acquisition = dataclasses.replace(NOTHING_ADDED, strip=1.0)
    kept = contrasts.visible(acquisition, head.first > 0, head.depth)
    brain = head.depth <= 0
    assert kept[brain].all() and kept.sum() < 1.4 * brain.sum()
    assert not kept[head.first == TISSUE["skin"]].any()


def test_a_cut_field_of_view_is_dark_and_does_not_count(head, monkeypatch):
    cut = dataclasses.replace(NOTHING_ADDED, cut=(0.25, 0.0))
    monkeypatch.setattr(pairs, "random_acquisition", lambda *_: cut)
    monkeypatch.setattr(pairs, "STRIPPED", 0.0)
    pair = pairs.same_subject(head, drawn_by(1), SIZE)
    assert float(pair.fixed[0, :8].max()) == 0 and float(pair.weight[0, :4].max()) == 0
    assert float(pair.fixed[0, 9:].max()) > 0.3 and float(pair.weight[0, 8:].max()) == 1


def test_thick_slices_keep_the_mean_and_the_place():
    matrix = slice_profiles(40, 2.0, 0.5)
    assert torch.allclose(matrix.sum(1), torch.ones(40), atol=1e-5)
    ramp = torch.arange(40, dtype=torch.float32)
    assert float((matrix @ ramp - ramp)[3:-3].abs().max()) < 1e-3


def visit_of(head) -> Visit:
    t1 = torch.linspace(0, 1, len(TISSUE))[head.first.long()]
    return Visit(torch.stack([t1, 1 - t1]) * (head.first > 0), head.first > 0)


def test_pairs_of_a_visit_know_the_motion_and_no_structure(head):
    visit = visit_of(head)
    pair = pairs.same_subject(visit, drawn_by(1), SIZE)
    assert float(pair.has_segments) == 0 and float(pair.fixed_segments.abs().max()) == 0
    assert 0.2 < float(pair.weight.mean()) <= 1


@pytest.mark.parametrize("seed", range(6))
def test_points_of_two_poses_are_the_same_places(head, seed):
    """Of a head whose intensity is its own coordinate, the values at corresponding points agree."""
    z, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in head.first.shape), indexing="ij")
    middle = head.centre
    visit = Visit(torch.stack([x, y]), head.first > 0)
    poses = [heads_pose(visit, seed, far) for far in (False, True)]
    cells = torch.cat([head.brain[:: max(1, len(head.brain) // 40)].float()])
    for pose in poses:
        points = pose.back(cells)
        lattice = pose.cells()
        at = (points / 128.0).view(1, -1, 1, 1, 3)
        found = torch.nn.functional.grid_sample(lattice, at, align_corners=False)[0, :, :, 0, 0].T
        inside = (points.abs() < 120).all(1)
        assert inside.sum() > 10
        assert float((found - cells)[inside].norm(dim=1).max()) < 0.1
    assert float((poses[0].back(middle[None]) - poses[1].back(middle[None])).norm()) > 1


def heads_pose(subject, seed, far):
    from regexplain.torch_backend.training.multimodal import heads

    pose = (heads._far_pose if far else heads._near_pose)(seed % 2 == 1, drawn_by(seed))
    return pose.about(subject.centre)


def test_the_images_of_a_head_pair_show_what_lies_at_its_points(head):
    """A single bright place of a visit is found in both images at the points told for it, in mm from the middle."""
    from regexplain.torch_backend.training.multimodal import heads

    place = head.centroids[NAMES.index("left putamen")].round()
    x, y, z = (int(v) for v in place)
    volume = torch.zeros(head.first.shape)
    volume[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] = 1
    visit = Visit(torch.stack([volume, volume]), torch.ones(head.first.shape, dtype=torch.bool))
    visit.cells = place.long()[None]  # the only one to draw
    found = 0
    for seed in range(6):
        pair = head_pair(visit, visit, drawn_by(seed))
        chosen = pair.weight > 0
        for image, points in ((pair.fixed, pair.fixed_points), (pair.moving, pair.moving_points)):
            if chosen.any() and image.max() > 0.2:
                bright = (image[0] > 0.5 * image.max()).float()
                lattice = pairs.centred_cells(bright.shape)[0] * heads.HEADS_MM
                middle = (lattice * bright).sum((1, 2, 3)) / bright.sum()
                assert float((middle - points[chosen][0]).norm()) < 3.0
                found += 1
    assert found >= 6


def test_robust_scaling_leaves_the_background_of_a_stripped_image_at_zero():
    rng = np.random.default_rng(0)
    image = np.zeros((40, 40, 40))
    image[10:30, 10:30, 10:30] = rng.normal(300, 40, (20, 20, 20))
    image[9, 10:30, 10:30] = -50  # ringing
    image[20, 20, 20] = 5000
    scaled = robust_rescale(image)
    assert scaled[0, 0, 0] == 0 and scaled[9].max() == 0
    assert 0.6 < scaled[11:29, 11:29, 11:29].mean() < 0.9 and scaled.max() == 1


def test_robust_scaling_of_scanner_numbers_with_noisy_air_does_not_depend_on_their_unit():
    rng = np.random.default_rng(1)
    image = rng.rayleigh(12, (40, 40, 40)) + 20
    image[10:30, 10:30, 10:30] += 600
    scaled, in_other_units = robust_rescale(image.astype(np.uint16)), robust_rescale(image * 3.7)
    assert np.abs(scaled - in_other_units).max() < 0.01
    assert scaled[:8].mean() < 0.06 and scaled[10:30, 10:30, 10:30].min() > 0.8


@pytest.mark.slow
def test_a_visit_is_aligned_from_its_headers_on(head):
    """The same head in two contrasts, the second one turned by 4° and moved by 3 mm: found to a third of a voxel."""
    grid = centred_grid(np.zeros(3), head.first.shape[::-1], [2.0] * 3, np.eye(3).ravel())
    looks = [contrasts.random_appearance(m, head, drawn_by(1)) for m in (contrasts.T1, contrasts.FLAIR)]
    whole = contrasts.Box(tuple(slice(0, n) for n in head.first.shape))
    first, second = (grid.image(image.numpy()) for image in contrasts.render(head, looks, whole, drawn_by(2)))
    truth = sitk.Euler3DTransform()
    truth.SetRotation(np.radians(4), 0.0, 0.0)
    truth.SetTranslation((3.0, -2.0, 1.0))
    moved = sitk.Resample(second, second, truth.GetInverse(), sitk.sitkLinear, 0.0)
    found = rigidly_registered(first, moved)
    points = np.random.default_rng(0).uniform(-40, 40, (50, 3))
    errors = [np.linalg.norm(np.subtract(found.TransformPoint(p), truth.TransformPoint(p))) for p in points]
    assert np.mean(errors) < 0.66
