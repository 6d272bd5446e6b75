"""Similarity of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def local_ncc_loss(warped: Tensor, target: Tensor, window: int = 5, eps: float = 1e-3, stride: int = 2) -> Tensor:
    """1 − mean squared normalised cross-correlation of two (B, 1, D, H, W) images in cubes of `window` voxels, `stride`
    apart; 0 to 1.

    Cubes whose standard deviation is near √eps or below count for less: noise in flat tissue is no evidence.
    """

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool3d(x, window, stride)

    mean_a, mean_b = mean(warped), mean(target)
    cross = mean(warped * target) - mean_a * mean_b
    spread_a = (mean(warped * warped) - mean_a**2).clamp_min(0)
    spread_b = (mean(target * target) - mean_b**2).clamp_min(0)
    return 1 - (cross * cross / (spread_a * spread_b + eps**2)).mean()


def mutual_information_loss(warped: Tensor, target: Tensor, where: Tensor, bins: int = 48, blur: float = 1.5) -> Tensor:
    """− mutual information, nats, of two images in [0, 1] over `where` (bool), all of one shape.

    Mean of the pointwise mutual information log p(a, b) / (p(a) p(b)), from the joint histogram of `bins`² blurred by
    `blur` bins (Gaussian standard deviation). The table is not differentiated: what it adds to the slope of the mean is
    0, since probabilities go on adding up to 1 (Hermosillo et al. 2002).
    """
    a, b = target[where], warped[where]
    with torch.no_grad():
        table = pointwise_mutual_information(a, b, bins, blur)
    places = torch.stack([b, a], -1)[None, None] * 2 - 1
    return -F.grid_sample(table[None, None], places, padding_mode="border", align_corners=True).mean()


def pointwise_mutual_information(a: Tensor, b: Tensor, bins: int, blur: float) -> Tensor:
    """(bins, bins), nats: rows by a, columns by b, (N,) each in [0, 1], the first and last bin at 0 and 1."""
    rows, columns = ((x * (bins - 1)).round().long().clamp(0, bins - 1) for x in (a, b))
    counts = torch.bincount(rows * bins + columns, minlength=bins * bins).view(bins, bins).to(a.dtype)
    bin_numbers = torch.arange(bins, dtype=a.dtype, device=a.device)
    kernel = torch.exp(-0.5 * ((bin_numbers[:, None] - bin_numbers) / blur) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    joint = kernel.T @ counts @ kernel
    joint = joint / joint.sum() + 1e-7
    return torch.log(joint / (joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)))
