"""Similarity of images."""

import torch.nn.functional as F
from torch import Tensor


def local_ncc_loss(warped: Tensor, target: Tensor, window: int = 5, eps: float = 1e-3) -> Tensor:
    """1 − mean squared normalised cross-correlation of two (B, 1, D, H, W) images in cubes of `window` voxels; 0 to 1.

    Cubes whose standard deviation is near √eps or below count for less: noise in flat tissue is no evidence.
    """

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool3d(x, window, stride=2)

    mean_a, mean_b = mean(warped), mean(target)
    cross = mean(warped * target) - mean_a * mean_b
    spread_a = (mean(warped * warped) - mean_a**2).clamp_min(0)
    spread_b = (mean(target * target) - mean_b**2).clamp_min(0)
    return 1 - (cross * cross / (spread_a * spread_b + eps**2)).mean()
