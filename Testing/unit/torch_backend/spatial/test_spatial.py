import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regexplain.torch_backend.spatial.transformation import exponentiate_velocity, integrate_gradients
from regexplain.torch_backend.spatial.warp import compose, resize_displacement, warp

SHAPE = (8, 10, 12)


def constant(x: float, y: float, z: float, shape=SHAPE) -> torch.Tensor:
    return torch.tensor([x, y, z]).view(1, 3, 1, 1, 1).expand(1, 3, *shape).contiguous()


def smooth_field(seed=0, size=0.8, shape=(16, 16, 16)) -> torch.Tensor:
    coarse = torch.randn(1, 3, 3, 3, 3, generator=torch.Generator().manual_seed(seed)) * size
    return torch.nn.functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=False)


@pytest.mark.parametrize("component, axis", [(0, 4), (1, 3), (2, 2)])
def test_plus_one_brings_the_next_voxel_of_that_axis(component, axis):
    """x is W, y is H, z is D: +1 along z shows slice k + 1 at slice k."""
    image = torch.rand(1, 1, *SHAPE)
    displacement = torch.zeros(1, 3, *SHAPE)
    displacement[:, component] = 1.0
    warped = warp(image, displacement)
    n = image.shape[axis]
    assert torch.allclose(warped.narrow(axis, 0, n - 1), image.narrow(axis, 1, n - 1), atol=1e-5)


@given(st.tuples(*[st.floats(-2, 2)] * 3), st.tuples(*[st.floats(-2, 2)] * 3))
def test_translations_compose_to_their_sum(a, b):
    assert torch.allclose(
        compose(constant(*a), constant(*b)), constant(*[p + q for p, q in zip(a, b, strict=True)]), atol=1e-5
    )


def test_a_field_keeps_its_millimetres_on_another_grid():
    """Half the cells, twice as large: the same motion is half as many of them."""
    assert torch.allclose(resize_displacement(constant(2.0, -4.0, 1.0), (4, 5, 6)), constant(1.0, -2.0, 0.5, (4, 5, 6)))


def test_a_coarse_grid_is_centred_in_the_fine_one():
    """A linear ramp stays on the same line: no half-voxel shift between resolutions."""
    coarse = (torch.arange(6.0) + 0.5) * 2 - 0.5  # the fine index at each coarse cell's centre
    field = torch.zeros(1, 3, 4, 5, 6)
    field[:, 0] = coarse / 2  # coarse voxels
    fine = resize_displacement(field, SHAPE)[0, 0, 4, 5]
    assert torch.allclose(fine[1:-1], torch.arange(12.0)[1:-1], atol=1e-5)


def test_the_exponential_of_a_constant_velocity_is_that_translation():
    forward, backward = exponentiate_velocity(constant(1.5, -0.5, 2.0))
    assert torch.allclose(forward, constant(1.5, -0.5, 2.0), atol=1e-5)
    assert torch.allclose(backward, -forward, atol=1e-5)


def test_the_two_directions_of_a_velocity_undo_each_other():
    forward, backward = exponentiate_velocity(smooth_field())
    there_and_back = compose(backward, forward)[:, :, 3:-3, 3:-3, 3:-3]
    assert forward.abs().max() > 0.8
    assert there_and_back.abs().mean() < 0.01
    assert there_and_back.abs().max() < 0.08  # what linear interpolation of six squarings costs


@pytest.mark.parametrize("integrate, channels", [(exponentiate_velocity, 3), (integrate_gradients, 6)])
def test_no_output_is_the_identity(integrate, channels):
    for displacement in integrate(torch.zeros(1, channels, 4, 4, 4)):
        assert (displacement == 0).all()


def test_constant_gradients_sum_to_a_zoom_about_the_middle():
    raw = torch.zeros(1, 6, *SHAPE)
    raw[:, 0] = torch.logit(torch.tensor(0.6))  # gradient 1.2 along x
    forward, _ = integrate_gradients(raw)
    expected = 0.2 * (torch.arange(12.0) - 5.5)
    assert torch.allclose(forward[0, 0, 3, 4], expected, atol=1e-5)
    assert (forward[:, 1:] == 0).all()


def test_the_anchor_moves_the_border_too():
    raw = torch.zeros(1, 6, *SHAPE)
    raw[:, 5] = 3.0
    forward, backward = integrate_gradients(raw)
    assert torch.allclose(forward, constant(0.0, 0.0, 3.0))
    assert torch.allclose(backward, constant(0.0, 0.0, -3.0))
