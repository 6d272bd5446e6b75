"""Optimising one pair: nothing at no steps, a known shift found, the identity kept."""

import pytest
import torch

from regexplain.torch_backend.inference.refinement import ANY_CONTRAST, SUBGRIDS, RefinementSettings, refine_pair
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.torch_backend.spatial.warp import displaced, identity_grid, warp

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


def test_a_known_shift_is_found_on_cells_of_four_voxels_of_which_each_step_sees_an_eighth():
    """The settings for any contrast; the velocity has cells of 4 voxels, the answer voxels of the canvas."""
    moving = textured()
    shift = torch.zeros(1, 3, *SHAPE)
    shift[:, 1] = 1.5
    fixed = (1 - warp(moving, shift)) ** 2
    made = network(skips=True)
    output = refine_pair(made, fixed, moving, 40, ANY_CONTRAST)
    inner = output.displacement[0, :, 4:-4, 6:-6, 4:-4]
    assert (inner[1].mean() - 1.5).abs() < 0.2
    assert inner[[0, 2]].mean((1, 2, 3)).abs().max() < 0.15
    assert (output.inverse[0, 1, 4:-4, 6:-6, 4:-4].mean() + 1.5).abs() < 0.2
    assert list(output.raw.shape[2:]) == [n // 2 for n in SHAPE]


def test_the_eighths_are_all_voxels_once():
    seen = torch.zeros(SHAPE)
    for subgrid in SUBGRIDS:
        seen[subgrid] += 1
    assert (seen == 1).all()


def test_points_move_by_the_displacement_of_their_place():
    """On a grid half as fine: 1 cell along x is 2 voxels, so 2 of 16 voxels of the box, which measures 2."""
    displacement = torch.zeros(1, 3, *(n // 2 for n in SHAPE))
    displacement[:, 0] = 1.0
    points = identity_grid(SHAPE, displacement)[(slice(None), *SUBGRIDS[5])]
    moved = displaced(points, displacement) - points
    assert torch.allclose(moved, torch.tensor([2 * 2 / SHAPE[2], 0.0, 0.0]).expand_as(moved), atol=1e-6)
