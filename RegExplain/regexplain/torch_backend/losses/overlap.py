"""Overlap of segmentations."""

import torch.nn.functional as F
from torch import Tensor


def soft_dice_loss(warped: Tensor, target: Tensor, eps: float = 1.0) -> Tensor:
    """1 − mean soft Dice over the channels of two (B, C, D, H, W) maps in [0, 1]; 0 is perfect.

    2 Σ ab / Σ (a² + b²): partial-volume maps reach 0 where equal.
    """
    space = (2, 3, 4)
    both = 2 * (warped * target).sum(space) + eps
    each = (warped**2).sum(space) + (target**2).sum(space) + eps
    return 1 - (both / each).mean()


def dice_cross_entropy_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice (MONAI's DiceCELoss); logits and target (in [0, 1]) of one shape."""
    return F.binary_cross_entropy_with_logits(logits, target) + soft_dice_loss(logits.sigmoid(), target)
