"""Overlap of segmentations."""

from torch import Tensor


def soft_dice_loss(warped: Tensor, target: Tensor, eps: float = 1.0) -> Tensor:
    """1 − mean soft Dice over the channels of two (B, C, D, H, W) maps in [0, 1]; 0 is perfect.

    2 Σ ab / Σ (a² + b²): partial-volume maps reach 0 where equal.
    """
    space = (2, 3, 4)
    both = 2 * (warped * target).sum(space) + eps
    each = (warped**2).sum(space) + (target**2).sum(space) + eps
    return 1 - (both / each).mean()
