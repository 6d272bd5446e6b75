"""How smooth, and how invertible, a displacement is. Displacements are (B, 3, D, H, W) in voxels, x, y, z."""

import torch
from torch import Tensor


def gradients(field: Tensor) -> list[Tensor]:
    """Forward differences along W, H, D (x, y, z), each one cell shorter along its axis."""
    return [field.diff(dim=axis) for axis in (4, 3, 2)]


def smoothness_loss(field: Tensor) -> Tensor:
    """Mean squared first difference: 0 for a translation."""
    return torch.stack([(g**2).mean() for g in gradients(field)]).mean()


def bending_loss(field: Tensor) -> Tensor:
    """Mean squared second difference, of nine a component (Rueckert et al. 1999): 0 for an affine motion."""
    straight = [field.diff(n=2, dim=axis).square().mean() for axis in (4, 3, 2)]
    mixed = [field.diff(dim=a).diff(dim=b).square().mean() for a, b in ((4, 3), (4, 2), (3, 2))]
    return (torch.stack(straight).sum() + 2 * torch.stack(mixed).sum()) / 9


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """det of the Jacobian of p + u(p) by forward differences, (B, D-1, H-1, W-1)."""
    dx, dy, dz = (
        g[:, :, : n - 1, : m - 1, : k - 1].permute(0, 2, 3, 4, 1)
        for g, (n, m, k) in zip(gradients(displacement), [displacement.shape[2:]] * 3, strict=True)
    )
    jacobian = torch.stack([dx, dy, dz], -1) + torch.eye(3, dtype=dx.dtype, device=dx.device)
    return torch.linalg.det(jacobian)


def folding_loss(displacement: Tensor) -> Tensor:
    """mean(relu(−det J)) (Estienne et al. 2021, section 2): 0 where nothing folds."""
    return torch.relu(-jacobian_determinant(displacement)).mean()
