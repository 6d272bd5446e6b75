"""Landmarks in the loss, in the direction of the pull-back, on an oblique canvas."""

import numpy as np
import pytest
import torch

from regexplain.landmarks.pairs import LandmarkPairs
from regexplain.torch_backend.inference.refinement import RefinementSettings, refine_pair
from regexplain.torch_backend.losses.landmarks import LandmarkLoss
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.transforms.itk import affine_transform, apply_affine
from regexplain.volumes.geometry import Grid
from synthetic_result import make_grid, rotation

CANVAS = Grid.of(make_grid((24, 20, 16), (2.0, 2.0, 3.0), rotation(20, 0) @ rotation(-15, 2), (12.0, -20.0, 31.0)))
HALF = (8, 10, 12)  # D, H, W
MOTION = np.array((3.0, -2.0, 1.5))  # LPS mm, fixed to aligned moving
ALIGNMENT = affine_transform(rotation(12, 1), np.array((5.0, 1.0, -4.0)))


def pairs(motion=MOTION) -> LandmarkPairs:
    fixed = CANVAS.world(np.array([[8.0, 9, 6], [14, 10, 9], [11, 6, 7]]))
    return LandmarkPairs(("a", "b", "c"), fixed, apply_affine(ALIGNMENT, fixed + motion))


def everywhere(motion) -> torch.Tensor:
    """(2, 3, D, H, W): a motion in LPS mm there, and its opposite back, in voxels of half the canvas."""
    voxels = motion @ CANVAS.axes / (2 * np.array(CANVAS.spacing))
    there = torch.tensor(voxels).float().view(1, 3, 1, 1, 1).expand(1, 3, *HALF)
    return torch.cat([there, -there])


def loss(displacement) -> float:
    return float(LandmarkLoss.on_canvas(pairs(), ALIGNMENT, CANVAS)(displacement))


def test_a_displacement_that_lays_the_landmarks_on_each_other_costs_nothing():
    assert loss(everywhere(MOTION)) < 1e-3


@pytest.mark.parametrize("wrong", [-MOTION, MOTION[::-1], MOTION * (-1, -1, 1), 0 * MOTION])
def test_any_other_displacement_costs_what_it_is_off(wrong):
    expected = np.sqrt(1 + ((wrong - MOTION) ** 2).sum()) - 1
    assert loss(everywhere(wrong)) == pytest.approx(expected, rel=0.01)


def test_the_way_back_counts_as_much_as_the_way_there():
    only_there = everywhere(MOTION)
    only_there[1] = 0
    assert loss(only_there) == pytest.approx((np.sqrt(1 + (MOTION**2).sum()) - 1) / 2, rel=0.05)


def test_tissue_far_from_all_landmarks_is_free():
    moved = everywhere(MOTION)
    moved[:, :, 0, 0, 0] += 50
    assert loss(moved) < 1e-2


def test_refining_goes_towards_the_landmarks_where_the_images_say_nothing():
    torch.manual_seed(0)
    network = LatentNetwork((4, 6)).eval().requires_grad_(False)
    blank = torch.full((1, 1, *CANVAS.size[::-1]), 0.5)
    settings = RefinementSettings(rate=0.2, overlap=0.0, smoothness=0.1)
    term = LandmarkLoss.on_canvas(pairs(), ALIGNMENT, CANVAS)
    output = refine_pair(network, blank, blank, 40, settings, landmarks=term)
    index = (8, 9, 6)
    found = output.displacement[0, :, index[2], index[1], index[0]].numpy() * CANVAS.spacing @ CANVAS.axes.T
    assert np.linalg.norm(found - MOTION) < 0.5
