"""An encoder that is trained to segment before its network is trained to register."""

import torch

from regexplain.torch_backend.networks.latent import LatentNetwork
from regexplain.torch_backend.training.latent.augmentation import augment, lower_resolution
from regexplain.torch_backend.training.latent.cases import Case
from regexplain.torch_backend.training.latent.config import Augmentation, LossWeights
from regexplain.torch_backend.training.latent.evaluation import segmentation_dice
from regexplain.torch_backend.training.latent.task import LatentObjective

SEGMENTING = LossWeights(dice=0, similarity=0, smoothness=0, read_out=1)
STILL = {"rotation_deg": 0, "translation_vox": 0, "log_zoom": 0, "log_gamma": 0}


class Config:
    losses, precision, loss_cell = SEGMENTING, "float32", 2


def a_generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_without_a_registration_loss_only_the_encoder_and_its_segmentation_are_trained():
    network = LatentNetwork((4, 8), skips=True, segments=2)
    volume, segments = torch.rand(1, 1, 16, 16, 16), torch.rand(1, 2, 16, 16, 16)
    terms = LatentObjective(network, Config())((volume, segments, volume, segments))
    terms["total"].backward()
    assert set(terms) == {"read_out", "total"}
    assert all(p.grad is not None for p in network.encoder.parameters())
    assert all(p.grad is None for p in network.decoder.parameters())


def test_the_segmentation_of_a_case_is_compared_with_its_own():
    half = torch.zeros(1, 8, 8, 8)
    half[..., :4] = 1
    case = Case(1, half, half)

    class Sees:
        encoder = staticmethod(lambda volume: [volume])
        segmentation_logits = staticmethod(lambda features: 20 * features[0] - 10)

    class SeesMirrored(Sees):
        segmentation_logits = staticmethod(lambda features: 20 * features[0].flip(-1) - 10)

    assert segmentation_dice(Sees(), [case]) == 1
    assert segmentation_dice(SeesMirrored(), [case]) == 0


def test_a_mirrored_volume_takes_its_segments_with_it():
    volumes = torch.rand(40, 1, 6, 6, 6, generator=a_generator())
    moved, segments = augment(volumes, volumes, Augmentation(**STILL, mirrored=0.5), a_generator())
    mirrored = [torch.allclose(new, old.flip(-1), atol=1e-4) for new, old in zip(moved, volumes, strict=True)]
    same = [torch.allclose(new, old, atol=1e-4) for new, old in zip(moved, volumes, strict=True)]
    assert torch.equal(moved, segments)
    assert 8 < sum(mirrored) < 32 and sum(mirrored) + sum(same) == 40


def test_a_lower_resolution_takes_detail_and_moves_nothing():
    x = torch.linspace(0, 1, 32)
    ramp = x.expand(1, 1, 32, 32, 32)
    noise = torch.rand(1, 1, 32, 32, 32, generator=a_generator())
    coarse_ramp = lower_resolution(ramp, 1.0, a_generator())
    assert (coarse_ramp - ramp)[..., 3:-3].abs().max() < 1e-3  # half a voxel would be 0.016
    assert lower_resolution(noise, 1.0, a_generator()).std() < 0.8 * noise.std()
    assert torch.equal(lower_resolution(noise, 0.0, a_generator()), noise)
