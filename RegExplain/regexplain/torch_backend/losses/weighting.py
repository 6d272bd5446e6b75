"""Where a loss counts."""

from torch import Tensor


def weighted_mean(values: Tensor, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """Mean of `values` (B, C, D, H, W), each voxel counting by `weight` (B, 1, D, H, W), 0 or more.

    One mean over the whole batch: a volume of weight 0 does not count, and a batch of nothing else gives 0.
    Without a weight all voxels count alike.
    """
    if weight is None:
        return values.mean()
    return (values * weight).sum() / (values.shape[1] * weight.sum()).clamp_min(eps)
