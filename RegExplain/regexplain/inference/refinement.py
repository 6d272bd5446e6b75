"""Optimisation of one pair's velocity (or gradients), from the network's answer on; no segmentation is given.

What is minimised, both directions: local correlation of the images, overlap of the segmentations that the network reads
out of each volume by itself where it has learnt to, and roughness.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..losses.overlap import soft_dice_loss
from ..losses.regularity import smoothness_loss
from ..losses.similarity import local_ncc_loss
from ..networks.latent import LatentNetwork, RegistrationOutput
from ..progress import Progress
from ..spatial.warp import grown, resized, warp


@dataclass(frozen=True)
class Refinement:
    """Adam with steps of `rate` canvas voxels; the weights of the three terms."""

    rate: float = 0.1
    overlap: float = 1.0
    similarity: float = 0.3
    smoothness: float = 0.3


def refined(
    network: LatentNetwork,
    fixed: Tensor,
    moving: Tensor,
    steps: int,
    settings: Refinement = Refinement(),
    progress: Progress | None = None,
) -> RegistrationOutput:
    """The network's output for fixed and moving (1, 1, D, H, W) after `steps` of optimisation of its `raw`."""
    with torch.inference_mode(False), torch.enable_grad():
        volumes, shape = torch.cat([fixed, moving]), fixed.shape[2:]
        with torch.no_grad():
            features = network.encoder(volumes)
            output = network.registered(features, shape)
            maps = None if network.read_out is None else grown(network.read_out(features[-1]).sigmoid(), shape)
        raw = output.raw.clone().requires_grad_()
        optimiser = torch.optim.Adam([raw], lr=settings.rate)
        for step in range(steps):
            if progress is not None:
                progress.report("Refining", step, steps)
            optimiser.zero_grad()
            _loss(network, raw, volumes, maps, settings).backward()
            optimiser.step()
        with torch.no_grad():
            return network.integrated(raw.detach(), shape, output.stages)


def _loss(network: LatentNetwork, raw: Tensor, volumes: Tensor, maps: Tensor | None, settings: Refinement) -> Tensor:
    """volumes: fixed and moving, stacked; maps: the network's own soft segmentations of them, on the same grid."""
    both = torch.cat(network.decoder.integrate(raw, 2))
    displacement = resized(both, volumes.shape[2:])
    loss = settings.smoothness * smoothness_loss(both)
    loss = loss + settings.similarity * local_ncc_loss(warp(volumes.flip(0), displacement), volumes)
    if maps is not None:
        loss = loss + settings.overlap * soft_dice_loss(warp(maps.flip(0), displacement), maps)
    return loss
