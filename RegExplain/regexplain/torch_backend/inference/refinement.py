"""Instance optimisation: one pair's velocity (or gradients), from the network's prediction on, without segmentations.

The loss, in both directions: local correlation of images of one contrast; mutual information and self-similarity (MIND)
of images of any contrast; overlap of the segmentations that the network predicts from each volume alone, if it does;
and smoothness. A step compares the images in every second voxel along each axis, the next step in another eighth of
all: as accurate, and far cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...progress import Progress
from ..losses.landmarks import LandmarkLoss
from ..losses.overlap import soft_dice_loss
from ..losses.regularity import bending_loss, smoothness_loss
from ..losses.similarity import local_ncc_loss, mutual_information_loss
from ..networks.fire import FireNetwork
from ..networks.latent import LatentNetwork, RegistrationNetwork, RegistrationOutput
from ..spatial.self_similarity import mind_ssc
from ..spatial.warp import displaced, identity_grid, resize, resize_displacement, sample, warp

MIN_INTENSITY = 0.02
MIND_RADIUS = 3  # voxels, of MIND's neighbourhood
SUBGRIDS = [tuple(slice(first, None, 2) for first in corner) for corner in product((0, 1), repeat=3)]


@dataclass(frozen=True)
class RefinementSettings:
    """Adam with steps of `rate` canvas voxels; the weights of the terms, in cells of 2 voxels.

    cell: canvas voxels of a cell of what is optimised; 2 where the canvas cannot be divided so.
    """

    rate: float = 0.1
    cell: int = 2
    overlap: float = 1.0
    similarity: float = 0.0
    mutual_information: float = 0.0
    self_similarity: float = 0.0
    smoothness: float = 0.3
    bending: float = 0.0
    landmarks: float = 0.3


ANY_CONTRAST = RefinementSettings(
    rate=0.15,
    cell=4,
    overlap=0.0,
    similarity=1.0,
    mutual_information=1.0,
    self_similarity=10.0,
    smoothness=0.0,
    bending=60.0,
)
SETTINGS: dict[type, RefinementSettings] = {
    LatentNetwork: RefinementSettings(similarity=0.3),
    FireNetwork: ANY_CONTRAST,
}


def refine_pair(
    network: RegistrationNetwork,
    fixed: Tensor,
    moving: Tensor,
    steps: int,
    settings: RefinementSettings | None = None,
    progress: Progress | None = None,
    mask: Tensor | None = None,
    landmarks: LandmarkLoss | None = None,
    start: RegistrationOutput | None = None,
) -> RegistrationOutput:
    """The network's output for fixed and moving (1, 1, D, H, W) after `steps` of optimisation of its `raw`.

    mask: (2, 1, D, H, W) in [0, 1], where fixed and where moving is compared; everywhere by default.
    landmarks: on the same canvas, a further term of the loss.
    start: what to go on from in place of the network's output, also from a velocity of another resolution.
    """
    settings = settings or SETTINGS.get(type(network), ANY_CONTRAST)
    with torch.inference_mode(False), torch.enable_grad():
        volumes, shape = torch.cat([fixed, moving]), fixed.shape[2:]
        with torch.no_grad():
            features = network.encoder(volumes) if start is None or settings.overlap else []
            output = start or network.register(features, shape)
            objective = RefinementLoss.of(network, volumes, features, settings, mask)
            raw, cell = resize_to_half(output.raw, shape), cell_size(settings, shape)
            if not steps:
                return network.refined(output, raw, shape)
            raw = resize(raw, [n // cell for n in shape])
        raw = raw.clone().requires_grad_()
        optimiser = torch.optim.Adam([raw], lr=settings.rate)
        for step in range(steps):
            if progress is not None:
                progress.report("Refining", step, steps)
            optimiser.zero_grad()
            output_at_step = network.refined(output, raw, raw.shape[2:], cell)
            displacement = torch.cat([output_at_step.displacement, output_at_step.inverse])
            loss = objective(displacement, settings, SUBGRIDS[step % len(SUBGRIDS)])
            if landmarks is not None:
                loss = loss + settings.landmarks * landmarks(displacement)
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            return network.refined(output, resize(raw.detach(), [n // 2 for n in shape]), shape)


def cell_size(settings: RefinementSettings, shape) -> int:
    """Canvas voxels of a cell of what is optimised on a canvas of `shape` (D, H, W)."""
    return settings.cell if all(n % settings.cell == 0 for n in shape) else 2


def resize_to_half(raw: Tensor, shape) -> Tensor:
    """`raw` on the half grid of a canvas of `shape` (D, H, W) over the same box."""
    half = [n // 2 for n in shape]
    return raw if list(raw.shape[2:]) == half else resize_displacement(raw, half)


class RefinementLoss(NamedTuple):
    """The loss of a displacement, and what it compares: fixed and moving, stacked along the batch.

    volumes: (2, 1, D, H, W); tissue: where they are not air, and one voxel about it; segments: the network's own soft
    segmentations; descriptors: MIND; mask: where each is compared, None for everywhere; inside: the same, less the
    border within reach of MIND.
    """

    volumes: Tensor
    tissue: Tensor | None
    segments: Tensor | None
    descriptors: Tensor | None
    mask: Tensor | None = None
    inside: Tensor | None = None

    @classmethod
    def of(
        cls,
        network,
        volumes: Tensor,
        features: Sequence[Tensor],
        settings: RefinementSettings,
        mask: Tensor | None = None,
    ) -> RefinementLoss:
        tissue = segments = descriptors = None
        if settings.overlap:
            logits = network.segmentation_logits(features)
            segments = None if logits is None else logits.sigmoid()
        if settings.self_similarity:
            descriptors = torch.cat([mind_ssc(volume[None]) for volume in volumes])  # one at a time, for memory
        if settings.mutual_information:
            tissue = F.max_pool3d((volumes > MIN_INTENSITY).float(), 3, 1, 1) > 0
        if mask is None:
            return cls(volumes, tissue, segments, descriptors)
        inside_mask = mask > 0.5
        inside = 1 - F.max_pool3d(1 - mask, 2 * MIND_RADIUS + 1, 1, MIND_RADIUS)
        return cls(
            volumes, None if tissue is None else tissue & inside_mask, segments, descriptors, inside_mask, inside
        )

    def __call__(self, displacement: Tensor, settings: RefinementSettings, subgrid: tuple[slice, ...]) -> Tensor:
        """displacement: forward and inverse, stacked, on any grid over the canvas. subgrid: of SUBGRIDS, the voxels
        (D, H, W) in which the images are compared."""
        shape = self.volumes.shape[2:]
        scale = displacement.shape[4] * 2 / shape[2]  # 1 on cells of 2 voxels
        loss = settings.smoothness * smoothness_loss(displacement)
        loss = loss + settings.bending * scale**2 * bending_loss(displacement)
        voxels = (slice(None), slice(None), *subgrid)
        points = displaced(identity_grid(shape, displacement)[voxels[1:]], displacement)
        volumes = self.volumes[voxels]
        if settings.similarity or self.tissue is not None:
            warped = sample_swapped(self.volumes, points)
        if settings.similarity:
            loss = loss + settings.similarity * local_ncc_loss(warped, volumes, window=3, stride=1)
        if self.tissue is not None:
            sides = zip(warped, volumes, self.tissue[voxels], strict=True)
            both = torch.stack([mutual_information_loss(*side) for side in sides])
            loss = loss + settings.mutual_information * both.mean()
        if self.descriptors is not None:
            difference = (sample_swapped(self.descriptors, points) - self.descriptors[voxels]).square()
            if self.inside is not None:
                difference = difference * self.inside[voxels] * sample_swapped(self.inside, points)
            loss = loss + settings.self_similarity * difference.mean()
        if self.segments is not None:
            resized = resize_displacement(displacement, self.segments.shape[2:])
            loss = loss + settings.overlap * soft_dice_loss(warp(self.segments.flip(0), resized), self.segments)
        return loss


def sample_swapped(both: Tensor, points: Tensor) -> Tensor:
    """The second of two stacked volumes at the first points, and the first at the second ones; without a copy."""
    return torch.cat([sample(both[1:], points[:1]), sample(both[:1], points[1:])])
