from itertools import pairwise

import pytest
import torch

from regexplain.torch_backend.networks.latent import Convolution, Encoder, LatentNetwork, SubpixelConvolution
from regexplain.torch_backend.spatial.transformation import exponentiate_velocity

SHAPE = (16, 16, 16)


KINDS = [("velocity", False), ("velocity", True), ("gradient", False), ("gradient", True)]


def network(transformation="velocity", skips=False, seed=0, **options) -> LatentNetwork:
    torch.manual_seed(seed)
    made = LatentNetwork((4, 6, 8), transformation, skips, **options)
    for weight in made.parameters():  # an untrained one moves next to nothing
        weight.data *= 2.5
    for part in made.decoder.part:
        torch.nn.init.normal_(part.weight, std=0.1)
    return made.eval().requires_grad_(False)


def pair(seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 1, *SHAPE, generator=generator), torch.rand(1, 1, *SHAPE, generator=generator)


@pytest.mark.parametrize("kind", KINDS)
def test_an_identical_pair_stays_exactly_where_it_is(kind):
    fixed, _ = pair()
    output = network(*kind)(fixed, fixed)
    assert (output.displacement == 0).all()
    assert (output.inverse == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_swapping_the_pair_swaps_the_directions(kind):
    fixed, moving = pair()
    there, back = network(*kind)(fixed, moving), network(*kind)(moving, fixed)
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
    encoder = Encoder((2, 3, 4), (1, 1, 2), skips=True, normalised=True).requires_grad_(False)
    for weight in (p for p in encoder.parameters() if p.dim() == 5):
        weight.copy_(weight + weight.flip((2, 3, 4)))
    volume, _ = pair()
    for mirrored, straight in zip(encoder(volume.flip((2, 3, 4))), encoder(volume), strict=True):
        assert torch.allclose(mirrored, straight.flip((2, 3, 4)), atol=1e-5)


def test_a_normalised_encoder_sees_no_contrast_but_keeps_the_size_of_the_latent():
    fixed, _ = pair()
    encode = network(normalised=True).encode
    assert torch.allclose(encode(fixed), encode(0.5 * fixed), rtol=1e-2, atol=1e-3)
    one, other = encode(fixed), encode(pair(1)[1])
    assert (one.std((2, 3, 4)) - other.std((2, 3, 4))).abs().max() > 1e-3


def test_skips_bring_the_finer_differences():
    fixed, moving = pair()
    made = network(skips=True)
    whole = made(fixed, moving).displacement
    latent_alone = made.decode(made.encode(moving) - made.encode(fixed), SHAPE).displacement
    assert (whole - latent_alone).abs().max() > 0.01


def test_finer_features_meet_half_way():
    """A bump 4 voxels along x from its twin, and an answer of just that: carried half-way, the two coincide."""
    decoder = network(skips=True).decoder
    fixed, moving = torch.zeros(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8)
    fixed[..., 4, 4, 3], moving[..., 4, 4, 5] = 1, 1  # cells of two voxels
    raw = torch.zeros(1, 3, 4, 4, 4)
    raw[:, 0] = 4
    assert decoder._difference(raw, 1, moving, fixed).abs().max() < 1e-4
    assert decoder._difference(-raw, 1, moving, fixed).abs().max() > 0.9


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("skips", [False, True])
def test_depth_sets_the_latent_grid(depth, skips):
    made = LatentNetwork((2,) * depth, skips=skips)
    volume = torch.rand(1, 1, 32, 32, 32)
    assert made.encode(volume).shape == (1, 2, *[32 // 2**depth] * 3)
    assert made(volume, volume).displacement.shape == (1, 3, 32, 32, 32)


@pytest.mark.slow
def test_the_papers_widths_can_be_built():
    """512 channels of 4³ on a 64³ canvas: 32,768 latent numbers (shapes alone, no memory)."""
    with torch.device("meta"):
        made = LatentNetwork((64, 128, 256, 512), "gradient")
        volume = torch.zeros(1, 1, 64, 64, 64)
        assert made.encode(volume).numel() == 32_768


@pytest.mark.parametrize("skips, side", [(False, 8), (True, 16)])
def test_segments_are_read_out_of_each_volume(skips, side):
    made = network(skips=skips, segments=2)
    volumes = torch.cat(pair())
    logits = made.segmentation_logits(made.encoder(volumes))
    assert logits.shape == (2, 2, side, side, side)
    assert torch.allclose(made.segmentation_logits(made.encoder(volumes[1:])), logits[1:], atol=1e-6)
    assert network(skips=skips).segmentation_logits(made.encoder(volumes)) is None


def test_the_read_out_puts_every_sub_cell_in_its_place():
    """Channel (label, z, y, x) of a cell becomes the sub-cell at (z, y, x) of that label."""
    made = SubpixelConvolution(1, 2, 2).requires_grad_(False)
    made.linear.weight.zero_()
    made.linear.bias.copy_(torch.arange(16.0))
    logits = made(torch.zeros(1, 1, 3, 3, 3))
    assert logits.shape == (1, 2, 6, 6, 6)
    assert logits[0, 1, :2, :2, :2].flatten().tolist() == list(range(8, 16))
    assert torch.equal(logits[..., :2, :2, :2], logits[..., 2:4, 4:6, :2])


def test_a_velocity_means_canvas_voxels_at_every_resolution():
    raw = torch.full((1, 3, 4, 4, 4), 4.0)
    for cell in (1, 2, 4):
        forward, backward = exponentiate_velocity(raw, cell)
        assert torch.allclose(forward * cell, raw, atol=1e-4)
        assert torch.allclose(backward, -forward, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_convolution_is_torchs_with_its_gradients(batch):
    torch.manual_seed(0)
    ours = Convolution(2, 3, 4, stride=2, padding=1)
    x = torch.rand(batch, 2, 6, 8, 10, requires_grad=True)
    made = ours(x), torch.nn.functional.conv3d(x, ours.weight, ours.bias, stride=2, padding=1)
    torch.testing.assert_close(*made)
    towards = torch.rand_like(made[0])
    torch.testing.assert_close(*(torch.autograd.grad(y, [x, *ours.parameters()], towards) for y in made))


def test_a_convolution_heeds_mixed_precision():
    with torch.autocast("cpu", torch.bfloat16):
        assert Convolution(1, 2, 3)(torch.rand(1, 1, 4, 4, 4)).dtype == torch.bfloat16
