from itertools import pairwise

import pytest
import torch

from regexplain.networks.latent import Encoder, LatentNetwork

SHAPE = (16, 16, 16)


def network(transformation="velocity", seed=0) -> LatentNetwork:
    torch.manual_seed(seed)
    made = LatentNetwork((4, 6, 8), transformation)
    for weight in made.parameters():  # an untrained one moves next to nothing
        weight.data *= 2.5
    torch.nn.init.normal_(made.decoder.last.weight, std=0.2)
    return made.eval().requires_grad_(False)


def pair(seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 1, *SHAPE, generator=generator), torch.rand(1, 1, *SHAPE, generator=generator)


@pytest.mark.parametrize("transformation", ["velocity", "gradient"])
def test_an_identical_pair_stays_exactly_where_it_is(transformation):
    fixed, _ = pair()
    output = network(transformation)(fixed, fixed)
    assert (output.displacement == 0).all()
    assert (output.inverse == 0).all()


@pytest.mark.parametrize("transformation", ["velocity", "gradient"])
def test_swapping_the_pair_swaps_the_directions(transformation):
    fixed, moving = pair()
    there, back = network(transformation)(fixed, moving), network(transformation)(moving, fixed)
    assert there.displacement.abs().max() > 0.01
    assert torch.allclose(there.displacement, back.inverse, atol=1e-5)
    assert torch.allclose(there.inverse, back.displacement, atol=1e-5)


def test_displacements_come_on_the_canvas_and_stages_on_coarser_grids_that_span_it():
    fixed, moving = pair()
    output = network()(fixed, moving)
    assert output.displacement.shape == (1, 3, *SHAPE)
    assert output.stages["encoder-fixed"].shape == output.stages["encoder-moving"].shape == (1, 8, 2, 2, 2)
    assert output.stages["decoder"].shape == (2, 8, 2, 2, 2)  # z and −z


def test_each_stream_is_encoded_alone():
    fixed, moving = pair()
    made = network()
    output = made(fixed, moving)
    assert torch.allclose(output.stages["encoder-fixed"], made.encode(fixed), atol=1e-6)
    assert torch.allclose(output.stages["encoder-moving"], made.encode(moving), atol=1e-6)


def test_the_motion_grows_with_the_latent():
    made = network()
    z = torch.randn(1, 8, 2, 2, 2, generator=torch.Generator().manual_seed(3)) * 0.1
    sizes = [made.decode(z * strength, SHAPE).displacement.norm().item() for strength in (0.5, 1.0, 2.0, 4.0)]
    assert all(small * 1.2 < large for small, large in pairwise(sizes))


def test_the_encoder_keeps_the_middle_in_the_middle():
    """With mirror-symmetric kernels a mirrored volume gives the mirrored latent: no level shifts by half a cell."""
    torch.manual_seed(0)
    encoder = Encoder((2, 3, 4)).requires_grad_(False)
    for weight in (p for p in encoder.parameters() if p.dim() == 5):
        weight.copy_(weight + weight.flip((2, 3, 4)))
    volume, _ = pair()
    assert torch.allclose(encoder(volume.flip((2, 3, 4))), encoder(volume).flip((2, 3, 4)), atol=1e-5)
