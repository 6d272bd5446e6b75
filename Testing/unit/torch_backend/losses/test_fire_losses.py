"""Every loss of FIRE, ExFIRE and refinement across modalities, against values worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from regexplain.torch_backend.losses.adversarial import discriminator_loss, generator_loss
from regexplain.torch_backend.losses.consistency import inverse_consistency_error, inverse_consistency_loss
from regexplain.torch_backend.losses.displacement import displacement_loss
from regexplain.torch_backend.losses.similarity import mutual_information_loss
from regexplain.torch_backend.losses.synthesis import accuracy_loss, alignment_loss, cycle_loss, feature_loss
from regexplain.torch_backend.losses.weighting import weighted_mean
from regexplain.torch_backend.spatial.self_similarity import mind_ssc
from regexplain.torch_backend.spatial.warp import warp


def along_x(*values: float) -> torch.Tensor:
    """(1, 1, 1, 1, W)."""
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, 1, -1)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def constant(vector, shape=(6, 7, 8)) -> torch.Tensor:
    """The same displacement (x, y, z) everywhere."""
    return torch.tensor(vector, dtype=torch.float32).view(1, 3, 1, 1, 1).expand(1, 3, *shape).clone()


def slope(loss, at: torch.Tensor) -> torch.Tensor:
    """The gradient of `loss` at `at`."""
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


# --- where a loss counts ---


def test_a_weighted_mean_is_that_of_all_channels_and_volumes_where_the_weight_is():
    values = torch.stack([along_x(1, 2, 30), along_x(5, 6, 70)], 1)[:, :, 0]  # (1, 2, 1, 1, 3)
    both = torch.cat([values, values + 100])
    weight = torch.cat([along_x(1, 0.5, 0), along_x(0, 0, 0)])
    assert weighted_mean(both, weight).item() == pytest.approx((1 + 2 / 2 + 5 + 6 / 2) / (2 * 1.5))
    assert weighted_mean(both, 0 * weight).item() == 0
    assert weighted_mean(values).item() == pytest.approx(114 / 6)


# --- synthesis ---


@pytest.mark.parametrize("loss", [accuracy_loss, cycle_loss])
def test_a_wrong_image_costs_its_mean_absolute_difference_where_it_counts(loss):
    made, real = along_x(0.2, 0.5, 1.0, 0.0), along_x(0.1, 0.9, 1.0, 0.7)
    assert loss(made, real).item() == pytest.approx((0.1 + 0.4 + 0 + 0.7) / 4)
    assert loss(made, real, along_x(1, 1, 1, 0)).item() == pytest.approx(0.5 / 3)
    assert loss(real, real).item() == 0
    assert slope(lambda x: loss(x, real), real).isfinite().all()


def test_features_are_compared_in_standard_deviations_of_both_sides_together():
    a, b = along_x(0, 2, 4, 6), along_x(2, 2, 4, 4)  # mean 3, squares about it 9 1 1 9, 1 1 1 1: variance 24 / 8 = 3
    assert feature_loss([a], [b]).item() == pytest.approx((2 + 0 + 0 + 2) / 4 / math.sqrt(3), rel=1e-5)
    assert feature_loss([a], [b], power=2).item() == pytest.approx((4 + 0 + 0 + 4) / 4 / 3, rel=1e-5)
    weight = along_x(1, 1, 0, 0)  # of 0 2 and 2 2: mean 1.5, variance (2.25 + 3 · 0.25) / 4 = 0.75
    assert feature_loss([a], [b], weight).item() == pytest.approx(2 / 2 / math.sqrt(0.75), rel=1e-5)
    far = along_x(0, 2, 9, -5)
    assert feature_loss([a], [b], weight) == feature_loss([far], [b], weight)


def test_every_channel_and_level_of_the_features_counts_alike():
    a, b = along_x(0, 2, 4, 6), along_x(2, 2, 4, 4)
    one = feature_loss([a], [b], power=2).item()  # 2 / 3
    small = [torch.cat([a, 0.001 * a], 1)], [torch.cat([b, 0.001 * b], 1)]
    assert feature_loss(*small, power=2).item() == pytest.approx(one, rel=1e-4)
    assert feature_loss([a, a], [b, a], power=2).item() == pytest.approx(one / 2, rel=1e-5)


@pytest.mark.parametrize("power", [1, 2])
def test_shrinking_or_shifting_the_features_does_not_pay(power):
    a, b = random(2, 3, 4, 4, 4), random(2, 3, 4, 4, 4, seed=1)
    cost = feature_loss([a], [b], power=power).item()
    assert feature_loss([0.01 * a + 5], [0.01 * b + 5], power=power).item() == pytest.approx(cost, rel=1e-3)
    assert feature_loss([0.01 * a], [b], power=power).item() > cost

    def shrunk(scale):
        return feature_loss([scale * a], [scale * b], power=power)

    assert slope(shrunk, torch.tensor(1.0)).item() == pytest.approx(0, abs=1e-5)


def test_squared_features_cost_nothing_if_equal_two_if_unrelated_and_four_if_opposite():
    a = random(1, 2, 16, 16, 16) - 0.5
    costs = [feature_loss([a], [b], power=2).item() for b in (a, random(1, 2, 16, 16, 16, seed=1) - 0.5, -a)]
    assert costs == pytest.approx([0, 2, 4], abs=0.1)


@pytest.mark.parametrize("power", [1, 2])
def test_the_slope_of_equal_features_is_finite_even_where_they_are_constant(power):
    for features in (random(1, 2, 4, 4, 4), torch.ones(1, 2, 4, 4, 4)):
        assert slope(lambda x, f=features: feature_loss([x], [f], power=power), features).isfinite().all()


def test_alignment_is_perfect_where_the_displacement_says_where_the_features_lie():
    """moving(p) = fixed(p − 2): it is found at p + 2, a pull-back of 2 voxels along x; at half the resolution, of 1."""
    fixed = [random(1, 2, 4, 4, 12), random(1, 2, 8, 8, 24, seed=1)]
    moving = [level.roll(2**n, 4) for n, level in enumerate(fixed)]
    there = constant((2, 0, 0), (8, 8, 24))
    weight = torch.ones(1, 1, 8, 8, 24)
    weight[..., -4:] = 0  # what the features' turning round the edge changed
    assert alignment_loss(moving, there, fixed, weight).item() == pytest.approx(0, abs=1e-4)
    assert alignment_loss(moving, -there, fixed, weight).item() > 0.5
    assert alignment_loss(moving, 0 * there, fixed, weight).item() > 0.5
    assert slope(lambda u: alignment_loss(moving, u, fixed, weight), there).isfinite().all()


# --- adversarial ---


def test_the_discriminator_pays_for_both_mistakes_and_the_generator_for_being_seen_through():
    real, fake = along_x(1, 0.5, 2), along_x(0, 1, -1)
    assert discriminator_loss(real, fake).item() == pytest.approx(((0 + 0.25 + 1) / 3 + (0 + 1 + 1) / 3) / 2)
    assert generator_loss(fake).item() == pytest.approx((1 + 0 + 4) / 3 / 2)
    one, zero, half = along_x(1, 1), along_x(0, 0), along_x(0.5, 0.5)
    assert [discriminator_loss(*logits).item() for logits in ((one, zero), (half, half), (zero, one))] == [0, 0.25, 1]
    assert [generator_loss(logits).item() for logits in (one, zero)] == [0, 0.5]


def test_the_two_of_them_pull_the_synthesised_logits_in_opposite_directions():
    fake = along_x(0.5, 0.5)
    assert (slope(lambda x: discriminator_loss(fake, x), fake) > 0).all()
    assert (slope(generator_loss, fake) < 0).all()
    assert (slope(generator_loss, along_x(1, 1)) == 0).all()


# --- inverse consistency ---


def test_a_translation_and_its_opposite_are_inverse_to_each_other():
    there = constant((1.5, -0.5, 2))
    assert inverse_consistency_loss(there, -there).item() == pytest.approx(0, abs=1e-12)
    assert inverse_consistency_error(there, -there, (1, 1, 1)).max().item() == pytest.approx(0, abs=1e-6)
    assert slope(lambda u: inverse_consistency_loss(u, -there), there).isfinite().all()


def test_what_is_left_of_two_translations_is_measured_in_voxels_and_in_millimetres():
    there, back = constant((3, 0, 1)), constant((-2, 2, -1))  # left over: (1, 2, 0) voxels
    assert inverse_consistency_loss(there, back).item() == pytest.approx(1 + 4)
    error = inverse_consistency_error(there, back, (3, 2, 7))  # (3, 4, 0) mm
    assert error.shape == (1, 6, 7, 8)
    assert torch.allclose(error, torch.tensor(5.0))


def test_inverse_consistency_is_asked_for_both_ways():
    """forward(x) = 2 x about the middle 1.5 of four voxels, inverse none: left over is x − 1.5 inside one way round.

    The other way it is the same field, seen from the same points: −1.5 −0.5 0.5 1.5, mean square 1.25.
    With inverse = −1 everywhere, forward∘inverse reads forward at x − 1: −1.5 (border) −1.5 −0.5 0.5, less 1:
    squares 6.25 6.25 2.25 0.25, mean 3.75; inverse∘forward is −2.5 −1.5 −0.5 0.5: mean 2.25.
    """
    stretch = torch.zeros(1, 3, 1, 1, 4)
    stretch[0, 0, 0, 0] = torch.tensor([-1.5, -0.5, 0.5, 1.5])
    none, left = torch.zeros_like(stretch), constant((-1, 0, 0), (1, 1, 4))
    assert inverse_consistency_loss(stretch, none).item() == pytest.approx(1.25)
    assert inverse_consistency_loss(stretch, left).item() == pytest.approx((3.75 + 2.25) / 2)
    error = inverse_consistency_error(stretch, left, (2, 1, 1)).flatten()
    assert error.tolist() == pytest.approx([5, 3, 1, 1])


# --- known displacements ---


def test_a_wrong_displacement_costs_its_mean_length_where_the_truth_is_known():
    truth = constant((1, 1, 1), (1, 1, 4))
    error = torch.tensor([[3.0, 0, 0, 100], [4, 0, 0, 100], [0, 12, 0, 100]]).view(1, 3, 1, 1, 4)  # 5, 12, 0, far
    weight = along_x(1, 1, 1, 0)
    assert displacement_loss(truth + error, truth, weight, eps=1e-4).item() == pytest.approx(17 / 3, abs=1e-3)
    assert displacement_loss(truth + error, truth, along_x(1, 0, 1, 0), eps=1e-4).item() == pytest.approx(
        5 / 2, abs=1e-3
    )
    far = 100 * math.sqrt(3)
    assert displacement_loss(truth + error, truth).item() == pytest.approx((17 + far) / 4, abs=0.01)


def test_a_right_displacement_costs_nothing_and_asks_for_no_change():
    truth = constant((1, -2, 0.5))
    assert displacement_loss(truth, truth).item() == 0
    assert (slope(lambda u: displacement_loss(u, truth), truth) == 0).all()
    assert displacement_loss(truth + 1, truth, torch.zeros(1, 1, 6, 7, 8)).item() == 0


# --- self-similarity context ---

PLANES = ("xy", "xz", "yz")
SIGNS = ("++", "--", "+-", "-+")
PAIRS = [(s + a, t + b) for a, b in PLANES for s, t in SIGNS]  # the order of the channels
AXES = {"x": 4, "y": 3, "z": 2}


@pytest.mark.parametrize("neighbour", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_a_bright_neighbour_is_seen_in_the_four_pairs_that_hold_it(neighbour):
    """Seen from the middle, it differs by 1 from its four partners: d = 1 in 4 of 12 pairs, mean 1/3, exp(−3)."""
    image = torch.zeros(1, 1, 9, 9, 9)
    index = [4, 4, 4]
    index[AXES[neighbour[1]] - 2] += 2 if neighbour[0] == "+" else -2
    image[0, 0, index[0], index[1], index[2]] = 1
    found = mind_ssc(image, radius=0, dilation=2)[0, :, 4, 4, 4]
    expected = [math.exp(-3) if neighbour in pair else 1.0 for pair in PAIRS]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_descriptor_of_a_ramp_is_known():
    """Along x the squares are (±2)² in the 8 pairs with an x, 0 in the 4 of (y, z): mean 8/3, exp(−4 / (8/3))."""
    image = along_x(*range(16)).expand(1, 1, 16, 16, 16) / 16
    found = mind_ssc(image, radius=1, dilation=2)[0, :, 8, 8, 8]
    assert found.tolist() == pytest.approx([math.exp(-1.5)] * 8 + [1.0] * 4, rel=1e-4)


def test_cubes_are_compared_as_a_loop_over_their_voxels_says():
    image, (z, y, x), dilation = random(1, 1, 11, 12, 13), (5, 6, 4), 2

    def cube(neighbour):
        at = {"x": x, "y": y, "z": z}
        at[neighbour[1]] += dilation if neighbour[0] == "+" else -dilation
        return image[0, 0, at["z"] - 1 : at["z"] + 2, at["y"] - 1 : at["y"] + 2, at["x"] - 1 : at["x"] + 2]

    d = torch.stack([(cube(a) - cube(b)).square().mean() for a, b in PAIRS])
    d = d - d.min()
    found = mind_ssc(image, 1, dilation)[0, :, z, y, x]
    assert torch.allclose(found, torch.exp(-d / d.mean()), atol=1e-5)


@pytest.mark.parametrize(("factor", "offset"), [(0.3, 0.0), (4.0, -1.0), (-1.0, 1.0), (-0.2, 0.4)])
def test_no_linear_change_of_the_intensities_alters_it_inversion_included(factor, offset):
    image = random(1, 1, 12, 12, 12)
    assert torch.allclose(mind_ssc(factor * image + offset), mind_ssc(image), atol=1e-3)
    assert mind_difference(factor * image + offset, image).item() < 1e-6


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES.keys())
def test_of_a_translated_image_it_is_translated(axis):
    image = torch.zeros(1, 1, 20, 20, 20)
    image[..., 7:13, 7:13, 7:13] = random(6, 6, 6)
    assert torch.allclose(mind_ssc(image.roll(2, axis)), mind_ssc(image).roll(2, axis), atol=1e-5)


def test_beyond_its_border_an_image_goes_on_as_it_ends():
    image = random(1, 1, 8, 9, 10)
    wider = F.pad(image, [5] * 6, mode="replicate")
    inside = mind_ssc(wider, floor=0)[..., 5:-5, 5:-5, 5:-5]
    assert torch.allclose(mind_ssc(image, floor=0), inside, atol=1e-5)


def mind_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the descriptors of two images."""
    return (mind_ssc(a) - mind_ssc(b)).square().mean()


def contrasts(shift: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """T1-like and FLAIR-like head, the second `shift` voxels further along x: white matter 0.9 and 0.5, grey 0.6 and
    0.65, ventricles 0.2 and 0.05, air 0."""
    z, y, x = torch.meshgrid(*[torch.arange(32.0) - 15.5] * 3, indexing="ij")

    def head(grey, white, ventricle, x):
        image = torch.zeros(32, 32, 32)
        wavy = 1 + 0.15 * torch.sin(4 * torch.atan2(y, x + 0.3)) * torch.cos(z / 4)
        radius = (x**2 + (y / 1.1) ** 2 + z**2).sqrt()
        for limit, value in ((13, grey), (9.5 * wavy, white), (4 * wavy, ventricle)):
            image = torch.where(radius < limit, torch.tensor(value), image)
        return F.avg_pool3d(image[None, None], 3, 1, 1) + 0.01 * torch.randn(
            1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(int(100 * grey))
        )

    return head(0.6, 0.9, 0.2, x), head(0.65, 0.5, 0.05, x - shift)


def test_two_contrasts_of_one_head_are_most_alike_where_they_are_aligned():
    costs = [mind_difference(*contrasts(shift)).item() for shift in (-4, -2, -1, 0, 1, 2, 4)]
    assert costs == sorted(costs[:4], reverse=True) + sorted(costs[4:])
    assert min(costs) == costs[3] < 0.8 * min(costs[2], costs[4])


def test_noise_in_flat_tissue_is_no_evidence():
    """A faint ripple beside a strong edge: with the floor it hardly differs from none, without it it counts in full."""
    edge = torch.zeros(1, 1, 16, 16, 32)
    edge[..., 24:] = 1
    rippled = edge + 1e-3 * random(1, 1, 16, 16, 32)
    difference = (mind_ssc(rippled) - mind_ssc(edge))[..., :12].abs().max()
    unfloored = (mind_ssc(rippled, floor=0) - mind_ssc(edge, floor=0))[..., :12].abs().max()
    assert difference < 0.02 < 0.5 < unfloored


def test_the_slope_of_equal_images_is_zero_and_that_of_constant_ones_finite():
    image = random(1, 1, 8, 8, 8)
    assert slope(lambda x: mind_difference(x, image), image).abs().max() == 0
    flat = torch.full((1, 1, 8, 8, 8), 0.5)
    assert slope(lambda x: mind_difference(x, image), flat).isfinite().all()
    assert (mind_ssc(flat) == 1).all()


@pytest.mark.slow
def test_the_slope_of_mind_is_that_of_its_values():
    image, target = random(1, 1, 5, 5, 5).double(), random(1, 1, 5, 5, 5, seed=1).double()
    assert torch.autograd.gradcheck(lambda x: mind_difference(x, target), image.requires_grad_())


def halves(size: int = 4096) -> tuple[torch.Tensor, torch.Tensor]:
    """One value in the first half, another one in the second; and everywhere."""
    return (torch.arange(size) < size // 2).float().view(1, 1, 1, 1, -1), torch.ones(1, 1, 1, 1, size, dtype=torch.bool)


def test_two_halves_that_tell_each_other_have_one_bit_in_common_whatever_their_brightness():
    image, everywhere = halves()
    for other in (image, 1 - image, 0.3 + 0.4 * image):
        assert mutual_information_loss(other, image, everywhere).item() == pytest.approx(-math.log(2), abs=0.01)
    quarters = (torch.arange(4096) % 2048 < 1024).float().view(1, 1, 1, 1, -1)
    assert mutual_information_loss(quarters, image, everywhere).item() == pytest.approx(0, abs=0.01)


def test_mutual_information_counts_only_where_it_is_asked_for():
    image, everywhere = halves()
    other = torch.where(torch.arange(4096) % 2048 < 1024, image, 1 - image)
    where = everywhere & (torch.arange(4096) % 2048 < 1024)
    assert mutual_information_loss(other, image, where).item() == pytest.approx(-math.log(2), abs=0.01)
    assert mutual_information_loss(other, image, everywhere).item() == pytest.approx(0, abs=0.01)


def test_mutual_information_falls_as_two_contrasts_part_and_its_slope_leads_back():
    where = torch.ones(1, 1, 32, 32, 32, dtype=torch.bool)
    losses = [mutual_information_loss(*reversed(contrasts(shift)), where, 32).item() for shift in (-2, -1, 0, 1, 2)]
    assert losses == sorted(losses[:3], reverse=True) + sorted(losses[3:])
    t1, flair = contrasts(1)
    back = torch.zeros(1, requires_grad=True)  # how far along x the FLAIR image is fetched from
    shift = torch.cat([back, torch.zeros(2)]).view(1, 3, 1, 1, 1).expand(1, 3, 32, 32, 32)
    mutual_information_loss(warp(flair, shift), t1, where, 32).backward()
    assert back.grad.item() < 0  # further on: the FLAIR head lies one voxel further along x
