"""Training pairs of any contrast: only shapes and motion are shared, and the motion told is the motion made."""

import dataclasses

import numpy as np
import pytest
import torch

from regexplain.torch_backend.spatial.warp import resize_displacement, warp
from regexplain.torch_backend.training.multimodal import any_contrast_images, any_contrast_pairs
from regexplain.torch_backend.training.multimodal.anatomies import anatomy_of
from regexplain.torch_backend.training.multimodal.shapes import AIR, MAX_LABELS, random_shapes
from regexplain.torch_backend.training.multimodal.visits import Visit
from synthetic_heads import head_codes

SIZE = (32, 48, 32)
SHAPE = (40, 56, 40)


def drawn_by(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def correlation(a, b, where) -> float:
    return float(np.corrcoef(a[where], b[where])[0, 1])


def where_known(pair) -> torch.Tensor:
    """(1, D, H, W) bool, for sure."""
    sure = -torch.nn.functional.max_pool3d(-pair.weight, 3, 1, 1)
    inside = torch.zeros_like(sure)
    inside[:, 3:-3, 3:-3, 3:-3] = 1
    return (sure * inside).repeat_interleave(2, 1).repeat_interleave(2, 2).repeat_interleave(2, 3) > 0.5


@pytest.fixture
def plain(monkeypatch):
    """Both images show each label as it is, and nothing else: what differs is the motion."""
    means = torch.rand(MAX_LABELS, generator=drawn_by(5))
    monkeypatch.setattr(any_contrast_pairs, "random_means", lambda *_: (means, means))
    monkeypatch.setattr(any_contrast_pairs, "scan", lambda image, seen, *_: image * seen)
    plain_view = any_contrast_images.FieldOfView([(0.0, 0.0)] * 3, None)
    monkeypatch.setattr(any_contrast_pairs, "random_field_of_view", lambda _: plain_view)
    monkeypatch.setattr(
        any_contrast_pairs, "render_contrasts", lambda a, b, s, m, g: torch.stack([drawn(a, b, s, v) for v in m])
    )


def drawn(first, second, share, means):
    return means[second.long()] + share.float() / 8 * (means[first.long()] - means[second.long()])


@pytest.mark.parametrize("seed", range(4))
def test_the_moving_image_warped_by_the_truth_is_the_fixed_image(plain, seed):
    g = drawn_by(seed)
    pair = any_contrast_pairs.same_subject(any_contrast_pairs.random_shapes_of(SIZE, g), g, SIZE)
    known = where_known(pair)
    for start, target, motion in (
        (pair.moving, pair.fixed, pair.displacement),
        (pair.fixed, pair.moving, pair.inverse),
    ):
        full = resize_displacement(motion[None], target.shape[1:])
        there, back = (warp(start[None], sign * full)[0].numpy() for sign in (1, -1))
        moved = correlation(there, target.numpy(), known)
        assert moved > 0.93
        assert max(correlation(start.numpy(), target.numpy(), known), correlation(back, target.numpy(), known)) < moved


def test_shapes_differ_in_size_and_number_and_no_two_draws_are_the_same():
    made = [random_shapes(SHAPE, drawn_by(seed)) for seed in range(12)]
    for shapes in made:
        assert shapes.first.shape == SHAPE and shapes.first.max() < MAX_LABELS
        assert shapes.share.min() >= 4 and shapes.share.max() <= 8
        assert len(shapes.first.unique()) >= 4
    edges = [float((s.first[1:] != s.first[:-1]).float().mean()) for s in made]
    assert max(edges) > 2 * min(edges)
    with_air = [bool((s.first == AIR).any()) for s in made]
    assert any(with_air) and not all(with_air)
    assert torch.equal(made[3].first, random_shapes(SHAPE, drawn_by(3)).first)


def test_a_shape_is_one_smooth_thing_and_not_noise():
    """Hardly any voxel differs from all of its six neighbours."""
    first = random_shapes(SHAPE, drawn_by(2)).first
    inside = first[1:-1, 1:-1, 1:-1]
    like = sum((inside == first.roll(step, axis)[1:-1, 1:-1, 1:-1]).int() for axis in range(3) for step in (1, -1))
    assert float((like == 0).float().mean()) < 0.002


def test_the_contrasts_of_the_two_images_are_mostly_unrelated():
    related = [
        abs(np.corrcoef(*any_contrast_images.random_means(MAX_LABELS, drawn_by(seed)))[0, 1]) for seed in range(60)
    ]
    assert np.median(related) < 0.35 and max(related) > 0.9


@pytest.mark.slow
def test_images_lie_between_0_and_1_and_the_two_differ():
    for seed in range(6):
        g = drawn_by(seed)
        pair = any_contrast_pairs.same_subject(any_contrast_pairs.random_shapes_of(SIZE, g), g, SIZE)
        for image in (pair.fixed, pair.moving):
            assert image.shape == (1, *SIZE[::-1]) and image.min() >= 0 and image.max() <= 1
            assert image.std() > 0.005
        assert (pair.fixed - pair.moving).abs().mean() > 0.02


def test_a_known_motion_reaches_from_less_than_a_voxel_to_a_fifth_of_the_view():
    largest = []
    for seed in range(60):
        motion = any_contrast_pairs.random_motion(SIZE, drawn_by(seed))
        largest.append(2 * float(motion.norm(dim=1).max()) / max(SIZE))
    assert min(largest) < 0.03 and np.quantile(largest, 0.3) < 0.2 < max(largest) < 0.8


def test_heads_and_visits_are_subjects_too():
    head = anatomy_of(head_codes(), 1)
    volumes = torch.rand(2, 40, 48, 40, generator=drawn_by(0))
    visit = Visit(volumes, volumes[0] > 0.05)
    for subject in (head, visit):
        pair = any_contrast_pairs.same_subject(subject, drawn_by(1), SIZE)
        assert all(torch.isfinite(getattr(pair, f.name)).all() for f in dataclasses.fields(pair))
        assert pair.weight.sum() > 0 and pair.has_segments == 0


@pytest.mark.slow
def test_of_two_heads_the_structures_are_known_and_the_motion_is_not():
    first, second = anatomy_of(head_codes(), 1), anatomy_of(head_codes((2, -4, 0)), 2)
    pair = any_contrast_pairs.between_subjects(first, second, drawn_by(4), SIZE)
    assert pair.weight.sum() == 0 and pair.has_segments == 1
    assert pair.fixed_segments.sum() > 50 and pair.moving_segments.sum() > 50


def test_what_lies_outside_a_field_of_view_is_dark_in_that_image_alone():
    view = any_contrast_images.FieldOfView([(0.25, 0.0), (0.0, 0.0), (0.0, 0.5)], None)
    seen = view.of((8, 8, 8))
    assert not seen[:2].any() and seen[2:, :, :4].all() and not seen[:, :, 4:].any()
    round_view = any_contrast_images.FieldOfView([(0.0, 0.0)] * 3, (torch.zeros(3), torch.full((3,), 0.5)))
    assert round_view.of((9, 9, 9))[4, 4, 4] and not round_view.of((9, 9, 9))[0, 0, 0]
