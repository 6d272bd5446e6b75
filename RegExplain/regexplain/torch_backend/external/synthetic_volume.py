"""An image to try a network on where none is given."""

from __future__ import annotations

import torch
from torch import Tensor


def synthetic_volume(shape, seed: int = 0) -> Tensor:
    """(1, 1, D, H, W): bright blobs of many sizes in a dim ellipsoid, for a network of no known image."""
    generator = torch.Generator().manual_seed(seed)
    axes = [torch.linspace(-1, 1, n) for n in shape]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    volume = 0.3 * torch.sigmoid(20 * (0.75 - places.norm(dim=0)))
    for _ in range(40):
        centre = (torch.rand(3, generator=generator) * 2 - 1) * 0.45
        width = 0.06 + 0.12 * float(torch.rand(1, generator=generator))
        bright = 0.2 + 0.5 * float(torch.rand(1, generator=generator))
        distance = (places - centre.view(3, 1, 1, 1)).square().sum(0)
        volume = volume + bright * torch.exp(-distance / (2 * width**2))
    return (volume / volume.max())[None, None]
