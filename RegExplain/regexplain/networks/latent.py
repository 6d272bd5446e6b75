"""The shared-encoder registration network without skip connections (Estienne et al. 2021).

One encoder sees each volume alone; the decoder sees only the difference of the two encodings, z = E(moving) − E(fixed).
Ours: no normalisation anywhere (it erases the size of z), and the decoder's output made antisymmetric, D(z) − D(−z), so
that an identical pair stays exactly where it is and swapping the pair swaps the two directions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.transformation import TRANSFORMATIONS
from ..spatial.warp import resized

SLOPE = 0.01


@dataclass
class RegistrationOutput:
    """What one pass gives. Displacements are (B, 3, D, H, W), canvas voxels, pull-back: fixed + u = moving.

    `stages`: the activations that explain it, (B, C, d, h, w) each, on cell-centred grids that span the canvas. The
    decoder sees z and −z; its activations are the two passes, kept apart as (2B, C, d, h, w).
    """

    displacement: Tensor
    inverse: Tensor
    raw: Tensor
    stages: dict[str, Tensor] = field(default_factory=dict)


class Residual(nn.Module):
    """Two 3×3×3 convolutions around a shortcut: (B, C, D, H, W) → the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = nn.Conv3d(channels, channels, 3, padding=1)
        self.second = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.second(F.leaky_relu(self.first(x), SLOPE)), SLOPE)


class Encoder(nn.Module):
    """(B, 1, D, H, W) → (B, widths[-1], D/2^n, H/2^n, W/2^n), one strided convolution a level."""

    def __init__(self, widths):
        super().__init__()
        inputs = [1, *widths[:-1]]
        # Kernel 4 with padding 1 keeps every level's cells centred on the canvas; kernel 3 shifts them half a cell.
        self.down = nn.ModuleList(nn.Conv3d(i, o, 4, stride=2, padding=1) for i, o in zip(inputs, widths, strict=True))
        self.refine = nn.ModuleList(Residual(o) for o in widths)

    def forward(self, x: Tensor) -> Tensor:
        for down, refine in zip(self.down, self.refine, strict=True):
            x = refine(F.leaky_relu(down(x), SLOPE))
        return x


class Decoder(nn.Module):
    """(B, widths[-1], …) → `outputs` channels at half the canvas' resolution.

    Returns (raw, activation): the activation of the first block, on the latent grid. Later ones carry the checkerboard
    of the transposed convolutions, which a heatmap would show as if it were anatomy.
    """

    def __init__(self, widths, outputs: int):
        super().__init__()
        widths = list(reversed(widths))
        self.refine = nn.ModuleList(Residual(w) for w in widths)
        self.up = nn.ModuleList(nn.ConvTranspose3d(i, o, 4, stride=2, padding=1) for i, o in pairwise(widths))
        self.last = nn.Conv3d(widths[-1], outputs, 3, padding=1)
        nn.init.normal_(self.last.weight, std=1e-3)  # begins near the identity

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x = first = self.refine[0](z)
        for up, refine in zip(self.up, self.refine[1:], strict=True):
            x = refine(F.leaky_relu(up(x), SLOPE))
        return self.last(x), first


class LatentNetwork(nn.Module):
    """widths: channels of each level, so the latent grid is 2^len(widths) times coarser than the canvas."""

    def __init__(self, widths=(16, 32, 96), transformation: str = "velocity"):
        super().__init__()
        self.integrate, outputs = TRANSFORMATIONS[transformation]
        self.encoder = Encoder(widths)
        self.decoder = Decoder(widths, outputs)

    def encode(self, volume: Tensor) -> Tensor:
        """(B, 1, D, H, W), intensities in [0, 1], to the latent (B, C, d, h, w)."""
        return self.encoder(volume)

    def decode(self, z: Tensor, shape) -> RegistrationOutput:
        """The registration that the latent difference `z` stands for, on a canvas of `shape` (D, H, W)."""
        both, activation = self.decoder(torch.cat([z, -z]))
        positive, negative = both.chunk(2)
        raw = (positive - negative) / 2
        forward, backward = self.integrate(raw)
        return RegistrationOutput(resized(forward, shape), resized(backward, shape), raw, {"decoder": activation})

    def forward(self, fixed: Tensor, moving: Tensor) -> RegistrationOutput:
        """Both (B, 1, D, H, W)."""
        encoded_fixed, encoded_moving = self.encode(torch.cat([fixed, moving])).chunk(2)
        output = self.decode(encoded_moving - encoded_fixed, fixed.shape[2:])
        output.stages |= {"encoder-fixed": encoded_fixed, "encoder-moving": encoded_moving}
        return output
