import pytest
import torch

from regexplain.torch_backend.losses.overlap import dice_cross_entropy_loss, soft_dice_loss
from regexplain.torch_backend.losses.regularity import bending_loss, folding_loss, jacobian_determinant, smoothness_loss
from regexplain.torch_backend.losses.similarity import local_ncc_loss


def cube(start: int, side: int = 4) -> torch.Tensor:
    volume = torch.zeros(1, 1, 12, 12, 12)
    volume[..., 4:8, 4:8, start : start + side] = 1
    return volume


def ramp(factor: float) -> torch.Tensor:
    """u_x = factor · x: det J = 1 + factor everywhere."""
    field = torch.zeros(1, 3, 6, 6, 6)
    field[:, 0] = factor * torch.arange(6.0)
    return field


def test_dice_of_equal_maps_is_perfect_and_of_half_overlapping_cubes_a_half():
    assert soft_dice_loss(cube(4), cube(4)).item() == pytest.approx(0, abs=1e-6)
    assert soft_dice_loss(cube(4), cube(6), eps=1e-6).item() == pytest.approx(0.5, abs=1e-4)


def test_dice_averages_the_segments():
    a = torch.cat([cube(4), cube(4)], 1)
    b = torch.cat([cube(4), cube(8)], 1)
    assert soft_dice_loss(a, b, eps=1e-6).item() == pytest.approx(0.5, abs=1e-4)


def test_dice_of_partial_volumes_reaches_zero_where_they_are_equal():
    assert soft_dice_loss(cube(4) * 0.5, cube(4) * 0.5).item() == pytest.approx(0, abs=1e-6)


def test_correlation_sees_no_change_of_contrast_and_grows_with_misalignment():
    image = torch.rand(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    same = local_ncc_loss(image, 1 - 0.5 * image).item()
    shifted = local_ncc_loss(image, image.roll(2, 4)).item()
    assert same < 0.01 < 0.5 < shifted <= 1


def test_a_translation_is_perfectly_smooth_and_a_ramp_costs_its_slope():
    assert smoothness_loss(torch.ones(1, 3, 5, 5, 5)).item() == 0
    assert smoothness_loss(ramp(0.3)).item() == pytest.approx(
        0.3**2 / 9, rel=1e-5
    )  # one of three components, one of three axes


@pytest.mark.parametrize("factor", [0.0, 0.5, -0.3, -1.5])
def test_the_jacobian_of_a_ramp_is_known(factor):
    assert torch.allclose(jacobian_determinant(ramp(factor)), torch.tensor(1 + factor), atol=1e-5)
    assert folding_loss(ramp(factor)).item() == pytest.approx(max(0.0, -(1 + factor)), abs=1e-5)


def test_a_rotation_keeps_volume():
    """Off-diagonal entries have their place: u = (R − 1) p has det 1."""
    angle = torch.tensor(0.3)
    z, y, x = torch.meshgrid(*[torch.arange(5.0)] * 3, indexing="ij")
    field = torch.stack([x * angle.cos() - y * angle.sin() - x, x * angle.sin() + y * angle.cos() - y, 0 * z])[None]
    assert torch.allclose(jacobian_determinant(field), torch.tensor(1.0), atol=1e-5)


def test_a_sure_and_right_read_out_costs_nothing_and_a_wrong_one_much():
    logits = 40 * cube(4) - 20
    assert dice_cross_entropy_loss(logits, cube(4)).item() == pytest.approx(0, abs=1e-4)
    assert dice_cross_entropy_loss(-logits, cube(4)).item() > 10


@pytest.mark.parametrize("axes", [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)])
def test_bending_is_zero_for_an_affine_motion_and_known_for_a_parabola_and_a_saddle(axes):
    z, y, x = torch.meshgrid(*[torch.arange(8.0)] * 3, indexing="ij")
    places = (x, y, z)
    affine = torch.stack([0.3 * x - y + 2, 0.5 * z, 0.1 * x + 1])[None]
    assert bending_loss(affine).item() == pytest.approx(0, abs=1e-10)
    bent = affine.clone()
    a, b = axes
    bent[0, 1] += 0.4 * places[a] * places[b]  # second derivative: 0.8 where a = b, else 0.4 and once more in b, a
    expected = 0.8**2 if a == b else 2 * 0.4**2
    assert bending_loss(bent).item() == pytest.approx(expected / 9 / 3, rel=1e-4)
