"""benchmarks/bounds.py: the true segments reach the refinement, and only there."""

import pytest
import torch

import bounds
from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.torch_backend.training.latent.cases import Case


@pytest.fixture
def cases():
    """Two boxes of two parts, one voxel and a half apart, in volumes that show nothing."""
    made = []
    for number, shift in enumerate((0, 3)):
        segments = torch.zeros(2, 24, 24, 24)
        segments[0, 7:13, 6 + shift : 15 + shift, 7:16] = 1
        segments[1, 13:18, 6 + shift : 15 + shift, 7:16] = 1
        made.append(Case(number, torch.full((1, 24, 24, 24), 0.5), segments))
    return made


@pytest.mark.ci
def test_only_what_is_given_the_true_segments_finds_them_in_images_that_show_nothing(cases):
    torch.manual_seed(0)
    network = LatentNetwork((4, 8), segments=2).eval().requires_grad_(False)
    own = network.segmentation_logits
    rows = bounds.measured(network, cases, 60)
    registered, refined, given = (sum(values) / len(values) for values in rows.values())
    assert registered < 0.75 and refined < 0.75 and max(bounds.predicted_segments(network, cases)) < 0.5
    assert given > 0.95
    assert network.segmentation_logits == own
