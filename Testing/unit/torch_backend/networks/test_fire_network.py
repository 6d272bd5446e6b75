"""The network for two contrasts: symmetric by construction, its affine part exact, everything in its place."""

import math

import numpy as np
import pytest
import torch

from regexplain.torch_backend.inference.alignment import plausible
from regexplain.torch_backend.losses.consistency import inverse_consistency_error
from regexplain.torch_backend.networks.affine import (
    AffineNetwork,
    estimate_affine,
    fit_affine,
    fit_symmetric_affine,
    matrix_square_root,
    resample_affine,
)
from regexplain.torch_backend.networks.fire import (
    FireNetwork,
    cosine_similarity,
    descriptor_similarity,
    structure_contrast,
    without_descriptors,
)
from regexplain.torch_backend.spatial.self_similarity import mind_ssc
from regexplain.torch_backend.spatial.warp import resize

SHAPE = (32, 48, 32)


@pytest.fixture(scope="module")
def network() -> FireNetwork:
    """Random weights, its velocity large enough that tissue moves."""
    torch.manual_seed(0)
    made = FireNetwork(
        widths=(4, 6, 8),
        segments=2,
        patch_widths=(4, 4, 4),
        affine={"widths": (4, 6), "size": 16},
        iterations=(1, 1, 2),
    )
    for part in made.transformation.part:
        torch.nn.init.normal_(part.weight, std=0.1)
    torch.nn.init.normal_(made.affine.heat.weight, std=20.0)  # landmarks well apart
    return made.eval().requires_grad_(False)


def volume(seed: int, shape=SHAPE) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return resize(torch.rand(1, 1, *(n // 8 for n in shape), generator=generator), shape)


def turned(degrees: float, axis: int, shift) -> torch.Tensor:
    """(4, 4) in float64: a rotation about an axis and a shift in mm."""
    angle = math.radians(degrees)
    matrix = torch.eye(4, dtype=torch.float64)
    a, b = [k for k in range(3) if k != axis]
    matrix[a, a] = matrix[b, b] = math.cos(angle)
    matrix[a, b], matrix[b, a] = -math.sin(angle), math.sin(angle)
    matrix[:3, 3] = torch.tensor(shift, dtype=torch.float64)
    return matrix


def moved(points: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def test_a_swapped_pair_gives_the_swapped_result_exactly(network):
    there, back = network(volume(1), volume(2)), network(volume(2), volume(1))
    assert there.displacement.abs().max() > 0.1
    assert torch.equal(there.displacement, back.inverse)
    assert torch.equal(there.inverse, back.displacement)
    assert torch.equal(there.stages["transformation-forward"], back.stages["transformation-backward"])


def test_an_identical_pair_stays_exactly_where_it_is_and_its_maps_are_the_same(network):
    output = network(volume(1), volume(1))
    assert torch.equal(output.displacement, torch.zeros_like(output.displacement))
    for one, other in (("encoder-fixed", "encoder-moving"), ("transformation-forward", "transformation-backward")):
        assert torch.equal(output.stages[one], output.stages[other])


@pytest.mark.parametrize("compared", [cosine_similarity, descriptor_similarity])
@pytest.mark.parametrize(("axis", "neighbour"), [(4, 14), (3, 16), (2, 22)])
def test_the_neighbour_that_a_cell_is_most_like_is_where_its_tissue_went(compared, axis, neighbour):
    """Moved by one cell towards larger x, y or z; of the 27 neighbours x runs fastest, and number 13 is in place."""
    features = torch.rand(1, 12, 8, 8, 8, generator=torch.Generator().manual_seed(5))
    inner = (..., slice(2, -2), slice(2, -2), slice(2, -2))
    assert (compared(features, features)[inner].argmax(1) == 13).all()
    assert (compared(features, features.roll(1, axis))[inner].argmax(1) == neighbour).all()


def test_the_features_end_with_the_self_similarity_of_the_image_on_the_same_cells(network):
    image = volume(6)
    described = mind_ssc(image)
    for level, features in enumerate(reversed(network.encoder(image))):
        described = torch.nn.functional.avg_pool3d(described, 2)
        assert torch.allclose(features[:, -12:], described, atol=1e-6)
        assert features.shape[1] == (4, 6, 8)[level] + 12
        assert without_descriptors(features).shape[1] == (4, 6, 8)[level]


def test_structures_are_as_bright_as_they_are_beside_one_another():
    """Two halves of brightness 0.2 and 0.6, of one size, and a structure that is not there."""
    image = torch.full((1, 1, 16, 16, 16), 0.2)
    image[..., 8:] = 0.6
    structures = torch.zeros(1, 3, 16, 16, 16)
    structures[:, 0, :, :, :8] = 1
    structures[:, 1, :, :, 8:] = 1
    found = structure_contrast(image, structures)
    assert torch.allclose(found, torch.tensor([[-2.0, 2.0, 0.0]]), atol=0.02)
    assert torch.allclose(structure_contrast(image + 0.1, structures), found, atol=1e-4)


def test_every_look_adds_to_the_answer_so_far_and_the_finest_level_is_looked_at_twice(network):
    features = [network.encoder(volume(k)) for k in (1, 2)]
    answers = network.transformation(*features).predictions
    assert [a.shape[-1] for a in answers] == [4, 8, 16, 16]
    assert not torch.equal(answers[2], answers[3])


def test_the_two_directions_undo_each_other(network):
    output = network(volume(1), volume(2))
    error = inverse_consistency_error(output.displacement, output.inverse, (2.0, 2.0, 2.0))
    inner = error[:, 4:-4, 4:-4, 4:-4]
    moved_mm = 2 * output.displacement.norm(dim=1).mean()
    assert moved_mm > 0.1
    assert inner.mean() < 0.1 * moved_mm  # of a velocity that is far rougher than a trained one


def test_the_synthesised_image_is_drawn_where_the_displacement_fetches_its_features(network):
    features = network.encoder(volume(3))[-1]
    displacement = torch.zeros(1, 3, *SHAPE)
    displacement[:, 0] = 4.0  # canvas voxels: two of the features' cells, towards the left
    image, _ = network.synthesise(features, "FLAIR", displacement)
    shifted, _ = network.synthesise(features.roll(-2, 4), "FLAIR")
    assert image.shape == (1, 1, *SHAPE)
    assert torch.allclose(image[..., 8:-16], shifted[..., 8:-16], atol=1e-5)
    assert not torch.allclose(image, network.synthesise(features, "FLAIR")[0], atol=1e-3)


def test_discriminators_judge_patches_of_eight_voxels(network):
    logits, activation = network.discriminators["T1"](volume(4))
    assert logits.shape == (1, 1, *(n // 8 for n in SHAPE))
    assert activation.shape[2:] == logits.shape[2:]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_known_affine_is_recovered_in_degrees_and_millimetres(axis):
    truth = turned(27.0, axis, (12.0, -25.0, 8.0))
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 40, 3)) * 40)
    found = fit_symmetric_affine(points, moved(points, truth), torch.ones(1, 40, dtype=torch.float64))[0]
    turn = found[:3, :3] @ truth[:3, :3].T
    assert math.degrees(math.acos(min(1.0, (float(turn.trace()) - 1) / 2))) < 0.1
    assert torch.allclose(found[:3, 3], truth[:3, 3], atol=0.05)


def test_landmarks_that_are_not_there_have_no_say():
    truth = turned(20.0, 2, (5.0, 0.0, 0.0))
    points = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 30, 3)) * 40)
    target, weight = moved(points, truth), torch.ones(1, 30, dtype=torch.float64)
    target[:, :5], weight[:, :5] = 300.0, 0.0
    assert torch.allclose(fit_affine(points, target, weight)[0], truth, atol=0.05)


def test_the_swapped_fit_is_the_inverse_also_of_noisy_points():
    random = np.random.default_rng(2)
    points = torch.from_numpy(random.normal(size=(1, 30, 3)) * 40)
    target = moved(points, turned(15.0, 1, (3.0, 9.0, -4.0))) + torch.from_numpy(random.normal(size=(1, 30, 3)) * 5)
    weight = torch.from_numpy(random.uniform(0.1, 1, (1, 30)))
    product = fit_symmetric_affine(points, target, weight) @ fit_symmetric_affine(target, points, weight)
    assert torch.allclose(product[0], torch.eye(4, dtype=torch.float64), atol=1e-8)
    assert not torch.allclose(
        fit_affine(points, target, weight) @ fit_affine(target, points, weight), product, atol=1e-3
    )


def test_a_square_root_applied_twice_is_the_affine():
    matrix = turned(60.0, 0, (30.0, -20.0, 10.0))[None]
    root = matrix_square_root(matrix)
    assert torch.allclose(root @ root, matrix, atol=1e-9)
    assert torch.allclose(root[0, :3, :3], turned(30.0, 0, (0, 0, 0))[:3, :3], atol=1e-9)


def test_landmarks_are_places_in_millimetres_about_the_middle():
    network = AffineNetwork(widths=(4, 6), landmarks=1, size=16, spacing_mm=4.0)
    at = (5, 2, 6)  # z, y, x on cells of 8 mm, of 8 × 8 × 8
    heat = torch.full((1, 1, 8, 8, 8), -100.0)
    heat[0, 0][at] = 100.0
    network.heat = torch.nn.Identity()
    network.encoder.forward = lambda volume: [torch.zeros(1, 6, 4, 4, 4), heat]
    found, _ = network.landmarks(torch.zeros(1, 1, 16, 16, 16))
    assert torch.allclose(found.points[0, 0], torch.tensor([(6 - 3.5) * 8, (2 - 3.5) * 8, (5 - 3.5) * 8]))


def test_a_volume_is_carried_along_its_own_axes():
    spot = torch.zeros(1, 1, 8, 8, 8)
    spot[0, 0, 4, 4, 6] = 1.0
    shift = turned(0.0, 0, (8.0, 0.0, 0.0))[None].float()  # two cells towards larger x
    assert resample_affine(spot, shift, 4.0)[0, 0].nonzero().tolist() == [[4, 4, 4]]
    turn = turned(90.0, 2, (0.0, 0.0, 0.0))[None].float()  # p = (x, y) is looked up at (−y, x)
    place = resample_affine(spot, turn, 4.0)[0, 0].round().nonzero().tolist()
    assert place == [[4, 1, 4]]  # (x, y) = (0.5, −2.5) → (2.5, 0.5), cells from the middle


class LeansTowardsTheBrighter:
    """An affine that depends on both volumes, and turns into its inverse when they are swapped."""

    spacing_mm = 4.0

    def __call__(self, fixed, moving):
        weights = torch.linspace(0, 1, fixed.shape[4])
        amount = ((moving - fixed) * weights).sum((1, 2, 3, 4)) / 50
        generator = torch.tensor([[0.0, -0.4, 0.1, 3.0], [0.3, 0.1, 0.0, -5.0], [0.0, 0.2, -0.1, 2.0], [0.0] * 4])
        return torch.linalg.matrix_exp(amount[:, None, None] * generator), {}


def test_looking_twice_is_symmetric_too():
    fixed, moving = volume(5, (16, 16, 16)), volume(6, (16, 16, 16))
    there, back = (estimate_affine(LeansTowardsTheBrighter(), *pair) for pair in ((fixed, moving), (moving, fixed)))
    once, _ = LeansTowardsTheBrighter()(fixed, moving)
    assert not torch.allclose(there, once, atol=1e-2)
    assert torch.allclose((there @ back)[0], torch.eye(4), atol=1e-3)


def test_an_affine_that_no_head_could_have_is_not_plausible():
    assert plausible(turned(35.0, 1, (30.0, 0.0, 0.0)).numpy())
    for wrong in (np.diag([-1.0, 1, 1, 1]), np.diag([3.0, 1, 1, 1]), np.zeros((4, 4)), np.full((4, 4), np.nan)):
        assert not plausible(wrong)
