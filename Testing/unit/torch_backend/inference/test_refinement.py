"""Optimising one pair: nothing at no steps, a known shift found, the identity kept."""

import pytest
import torch

from regexplain.torch_backend.inference.refinement import RefinementSettings, refine_pair
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.torch_backend.spatial.warp import warp

SHAPE = (16, 24, 16)


def network(**options) -> LatentNetwork:
    torch.manual_seed(0)
    return LatentNetwork((4, 6), **options).eval().requires_grad_(False)


def textured() -> torch.Tensor:
    coarse = torch.rand(1, 1, 6, 8, 6, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(coarse, size=SHAPE, mode="trilinear", align_corners=False)


def test_no_steps_are_the_networks_answer():
    fixed, moving = textured(), textured().roll(1, 3)
    made = network()
    assert torch.equal(refine_pair(made, fixed, moving, 0).displacement, made(fixed, moving).displacement)


def test_a_known_shift_is_found():
    """+1.5 voxels along y: moving(p + 1.5) = fixed(p)."""
    moving = textured()
    shift = torch.zeros(1, 3, *SHAPE)
    shift[:, 1] = 1.5
    fixed = warp(moving, shift)
    output = refine_pair(network(skips=True), fixed, moving, 60, RefinementSettings(rate=0.2, similarity=0.3))
    inner = output.displacement[0, :, 4:-4, 6:-6, 4:-4]
    assert (inner[1].mean() - 1.5).abs() < 0.2
    assert inner[[0, 2]].mean((1, 2, 3)).abs().max() < 0.1
    assert (output.inverse[0, 1, 4:-4, 6:-6, 4:-4].mean() + 1.5).abs() < 0.2


def test_an_identical_pair_stays_where_it_is():
    fixed = textured()
    output = refine_pair(network(segments=1), fixed, fixed, 10)
    assert output.displacement.abs().max() < 0.05


def test_it_is_the_same_inside_inference_mode_and_twice():
    fixed, moving = textured(), textured().roll(1, 3)
    made = network(segments=2)
    with torch.inference_mode():
        one = refine_pair(made, fixed, moving, 3)
    assert torch.equal(one.displacement, refine_pair(made, fixed, moving, 3).displacement)


@pytest.mark.slow
def test_a_known_shift_is_found_across_contrasts():
    """What is bright in one image is dark in the other, along a curve."""
    moving = textured()
    shift = torch.zeros(1, 3, *SHAPE)
    shift[:, 1] = 1.5
    fixed = (1 - warp(moving, shift)) ** 2
    settings = RefinementSettings(rate=0.2, overlap=0.0, mutual_information=1.0, smoothness=1.0)
    output = refine_pair(network(skips=True), fixed, moving, 60, settings)
    inner = output.displacement[0, :, 4:-4, 6:-6, 4:-4]
    assert (inner[1].mean() - 1.5).abs() < 0.2
    assert inner[[0, 2]].mean((1, 2, 3)).abs().max() < 0.15
