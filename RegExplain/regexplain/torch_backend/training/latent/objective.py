"""The losses of a registration network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...losses.overlap import dice_cross_entropy_loss, soft_dice_loss
from ...losses.regularity import folding_loss, smoothness_loss
from ...losses.similarity import local_ncc_loss
from ...networks.latent import RegistrationOutput
from ...spatial.warp import warp
from .config import LossWeights

Pairs = tuple[Tensor, Tensor, Tensor, Tensor]  # fixed, its segments, moving, its segments: volumes (B, 1, D, H, W)


def motion_losses(output: RegistrationOutput, pairs: Pairs, weights: LossWeights) -> dict[str, Tensor]:
    """Each term by its name in LossWeights, both directions together, on the grid of `output`'s displacements.

    Volumes and segments are sampled from full resolution at the cells of that grid, which may be coarser: half the
    resolution is an eighth of the cost, and forgives errors of a voxel. Dice is taken four times coarser too, for its
    longer reach; the images are compared at half the resolution.
    """
    fixed, fixed_segments, moving, moving_segments = pairs
    displacement = torch.cat([output.displacement, output.inverse])
    sources = torch.cat([torch.cat([moving, moving_segments], 1), torch.cat([fixed, fixed_segments], 1)])
    cell = fixed.shape[2] // displacement.shape[2]
    targets = F.avg_pool3d(sources.roll(len(fixed), 0), cell)
    warped = warp(sources, displacement)
    at_half = 2 // cell
    dice = soft_dice_loss(warped[:, 1:], targets[:, 1:])
    coarse = soft_dice_loss(F.avg_pool3d(warped[:, 1:], 4), F.avg_pool3d(targets[:, 1:], 4))
    terms = {
        "dice": dice + 0.5 * coarse,
        "similarity": local_ncc_loss(F.avg_pool3d(warped[:, :1], at_half), F.avg_pool3d(targets[:, :1], at_half)),
        "smoothness": smoothness_loss(displacement),
    }
    if weights.folding:
        terms["folding"] = folding_loss(displacement)
    if weights.latent:
        encodings = torch.cat([output.stages["encoder-fixed"], output.stages["encoder-moving"]])
        terms["latent"] = 2 * (encodings.float() ** 2).mean()
    return terms


def segmentation_loss(logits: Tensor | None, pairs: Pairs) -> Tensor:
    """Of the segmentation logits of fixed, then moving, on a grid as fine as the canvas or coarser."""
    assert logits is not None, "a weight on the read-out needs a network with segments"
    segments = torch.cat([pairs[1], pairs[3]])
    return dice_cross_entropy_loss(logits, F.avg_pool3d(segments, segments.shape[2] // logits.shape[2]))


def weighted_sum(terms: dict[str, Tensor], weights: LossWeights) -> Tensor:
    return torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()
