"""Registration networks whose encoder encodes each volume alone (Estienne et al. 2021), with and without skip
connections.

The input of the decoder is only differences of encodings. Without skips that is z = E(moving) − E(fixed), the latent
difference; with skips also the differences of the encoder's finer features. Ours: no normalisation of the latent or
after it (it erases the size of z); the decoder's output made antisymmetric, D(z) − D(−z), so that an identical pair
stays exactly where it is and swapping the pair swaps the two directions; every decoder level adds its part of the
field, coarse to fine; and where skips bring finer features, both sides are first warped to their midpoint by the field
so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.transformation import TRANSFORMATIONS
from ..spatial.warp import resize, resize_displacement, warp

SLOPE = 0.01


@dataclass
class RegistrationOutput:
    """What one pass gives. Displacements are (B, 3, D, H, W) in voxels of their grid, pull-back: fixed + u = moving.

    `raw`: the decoder's antisymmetric output before integration, at half the canvas' resolution.
    `stages`: the activations that explain it, (B, C, d, h, w) each, on cell-centred grids that span the canvas. The
    decoder sees z and −z; its activations are the two passes, kept apart as (2B, C, d, h, w).
    """

    displacement: Tensor
    inverse: Tensor
    raw: Tensor
    stages: dict[str, Tensor] = field(default_factory=dict)
    disagreement: Tensor | None = None  # like `raw`, of a network that predicts both orders by themselves
    predictions: list[Tensor] = field(default_factory=list)  # `raw` after each iteration, on ever finer grids


class ResidualBlock(nn.Module):
    """Two 3×3×3 convolutions around a shortcut: (B, C, D, H, W) → the same."""

    def __init__(self, channels: int, normalised: bool = False):
        super().__init__()
        self.first = convolution(channels, channels, normalised)
        self.second = convolution(channels, channels, normalised)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.second(F.leaky_relu(self.first(x), SLOPE)), SLOPE)


class Convolution(nn.Conv3d):
    """On a processor always by oneDNN: for one small volume torch takes a way of its own that is five times as slow."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        single = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if not (single and torch.backends.mkldnn.is_available()) or isinstance(self.padding, str):
            return super()._conv_forward(x, weight, bias)
        return torch.mkldnn_convolution(x, weight, bias, self.padding, self.stride, self.dilation, self.groups)


def convolution(inputs: int, outputs: int, normalised: bool, **options) -> nn.Module:
    """3×3×3 unless the options say otherwise; a group of its own for every channel is an instance normalisation."""
    conv = Convolution(inputs, outputs, **({"kernel_size": 3, "padding": 1} | options))
    return nn.Sequential(conv, nn.GroupNorm(outputs, outputs)) if normalised else conv


def upsampling_convolution(inputs: int, outputs: int) -> nn.Module:
    """A transposed convolution to twice the resolution."""
    return nn.ConvTranspose3d(inputs, outputs, 4, stride=2, padding=1)


class Encoder(nn.Module):
    """(B, C, D, H, W) → features, coarsest first: the latent (B, widths[-1], D/2^n, …) and, with skips, every finer
    level up to half the canvas' resolution, each with the coarser ones added, for a large receptive field. C =
    `channels`.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], skips: bool, normalised: bool, channels: int = 1):
        super().__init__()
        inputs = [channels, *widths[:-1]]
        norms = [normalised] * (len(widths) - 1) + [False]  # never on the latent: it would take away its size
        # Kernel 4 with padding 1 keeps every level's cells centred on the canvas; kernel 3 shifts them half a cell.
        self.down = nn.ModuleList(
            convolution(i, o, norm, kernel_size=4, stride=2) for i, o, norm in zip(inputs, widths, norms, strict=True)
        )
        self.refine = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(o, norm) for _ in range(n)))
            for o, n, norm in zip(widths, blocks, norms, strict=True)
        )
        finer = list(pairwise(reversed(widths))) if skips else []
        self.up = nn.ModuleList(upsampling_convolution(i, o) for i, o in finer)
        self.join = nn.ModuleList(ResidualBlock(o, normalised) for _, o in finer)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = []
        for down, refine in zip(self.down, self.refine, strict=True):
            x = refine(F.leaky_relu(down(x), SLOPE))
            levels.append(x)
        features = [levels.pop()]
        for up, join in zip(self.up, self.join, strict=True):
            features.append(join(F.leaky_relu(levels.pop() + up(features[-1]), SLOPE)))
        return features


class Decoder(nn.Module):
    """Differences to the raw output of a transformation at half the canvas' resolution."""

    def __init__(self, widths: Sequence[int], transformation: str, skips: bool):
        super().__init__()
        self.integrate, outputs = TRANSFORMATIONS[transformation]
        widths = list(reversed(widths))
        self.refine = nn.ModuleList(ResidualBlock(w) for w in widths)
        self.up = nn.ModuleList(upsampling_convolution(i, o) for i, o in pairwise(widths))
        self.join = nn.ModuleList(nn.Conv3d(2 * w, w, 1) for w in widths[1:] if skips)
        self.part = nn.ModuleList(nn.Conv3d(w, outputs, 3, padding=1) for w in widths)
        for weight in (p for p in self.part.parameters() if p.dim() == 5):
            nn.init.normal_(weight, std=1e-3)  # begins near the identity

    def forward(self, z: Tensor, finer: Sequence[tuple[Tensor, Tensor]] = ()) -> tuple[Tensor, Tensor]:
        """z (B, C, d, h, w); finer: (moving, fixed) features of each finer level, or nothing for a difference of 0.

        Returns (raw, activation): the activation of the first block, on the latent grid. Later ones carry the
        checkerboard of the transposed convolutions, which a heatmap would show as if it were anatomy.
        """
        x = first = self.refine[0](torch.cat([z, -z]))
        raw = self._part(0, x)
        for level, (up, refine) in enumerate(zip(self.up, self.refine[1:], strict=True)):
            x = F.leaky_relu(up(x), SLOPE)
            if self.join:
                difference = self._difference(raw, level, *finer[level]) if finer else torch.zeros_like(x[: len(z)])
                x = self.join[level](torch.cat([x, torch.cat([difference, -difference])], 1))
            x = refine(x)
            raw = resize(raw, x.shape[2:]) + self._part(level + 1, x)
        return raw, first

    def _part(self, level: int, x: Tensor) -> Tensor:
        positive, negative = self.part[level](x).float().chunk(2)
        return (positive - negative) / 2

    def _difference(self, raw: Tensor, level: int, moving: Tensor, fixed: Tensor) -> Tensor:
        """Of features at the midpoint: moving's warped by half of the motion, fixed's by the other half."""
        halves = self.integrate(raw / 2, 2 ** (len(self.refine) - level))
        forward, backward = (resize_displacement(half, moving.shape[2:]) for half in halves)
        return warp(moving.float(), forward) - warp(fixed.float(), backward)


class SubpixelConvolution(nn.Module):
    """(B, C, d, h, w) → logits (B, L, d·s, h·s, w·s): a linear map of each cell to its s³ sub-cells (pixel shuffle)."""

    def __init__(self, channels: int, segments: int, scale: int):
        super().__init__()
        self.scale = scale
        self.linear = nn.Conv3d(channels, segments * scale**3, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, d, h, w = x.shape
        s = self.scale
        cells = self.linear(x).float().view(b, -1, s, s, s, d, h, w)
        return cells.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(b, -1, d * s, h * s, w * s)


class RegistrationNetwork(nn.Module):
    """The base of all networks: what inference, refinement and attribution ask of one.

    `register` takes the features of both images to a registration; `encoder` gives those of one image, coarsest level
    first, where the network encodes each by itself; `read_out` may be None; `integrate`: see `spatial.transformation`.
    `stages`: what heatmaps explain → the image that each lies on; stages of one module in the order of its batch.
    `module_paths`: of stages whose activations are a module's, not the output's.
    """

    encoder: Any  # torch hides what a part of a module takes and gives
    read_out: Any
    integrate: Any
    stages: Mapping[str, str]
    module_paths: Mapping[str, str] = {}

    def forward(self, fixed: Tensor, moving: Tensor, shape=None) -> RegistrationOutput:
        """Both (B, 1, D, H, W), intensities in [0, 1]; the displacements on a grid of `shape`, by default theirs."""
        features = self.encoder(torch.cat([fixed, moving]))
        output = self.register(features, shape or fixed.shape[2:])
        return output

    def segmentation_logits(self, features: Sequence[Tensor]) -> Tensor | None:
        """Logits (B, L, D, H, W) of the segmentation that the network predicts from each volume alone, on a grid of its
        own over the canvas; None where it has no segments. features: the encoder's, coarsest level first."""
        return None if self.read_out is None else self.read_out(features[-1])

    def register(self, features: Sequence[Tensor], shape) -> RegistrationOutput:
        """From the encoder's features of fixed and moving, stacked in this order, coarsest level first."""
        raise NotImplementedError

    @property
    def root(self) -> nn.Module:
        """The module in which the paths of modules begin."""
        return self

    @property
    def parts(self) -> list[str]:
        """The paths of those modules inside which every module can be explained."""
        return list(dict.fromkeys(stage.partition("-")[0] for stage in self.stages))

    def stages_of_module(self, path: str, stages: Mapping[str, str]) -> dict[str, str]:
        """The maps of a module, each with the image it lies on: one for each of the `stages` of the part of the network
        that contains it.

        The encoder processes both images, so `encoder.refine.1` gives `encoder.refine.1-fixed` and `-moving`.
        """
        top, maps = path.partition(".")[0], {}
        for stage, grid in stages.items():
            part, dash, which = stage.partition("-")
            if top in (part, f"{part}s"):  # one of the `discriminators` is a discriminator
                maps[path + dash + which] = grid
        return maps

    def on_canvas(self, stage: str, cells: Tensor, shape) -> Tensor:
        """A stage's cells (B, C, d, h, w) on a canvas of `shape`: they span it and are centred in it, so a cell-centred
        interpolation puts them in place."""
        return resize(cells, shape)

    def refined(self, output: RegistrationOutput, raw: Tensor, shape, cell: int = 2) -> RegistrationOutput:
        """The registration `output` with another `raw`, whose cells measure `cell` canvas voxels, on a grid of `shape`
        (D, H, W) over the canvas."""
        return self.integrate_output(raw, shape, output.stages, cell)

    def integrate_output(self, raw: Tensor, shape, stages: dict[str, Tensor], cell: int = 2) -> RegistrationOutput:
        """The registration of a raw output, in cells of `cell` canvas voxels, on a grid of `shape` (D, H, W)."""
        forward, backward = self.integrate(raw, cell)
        return RegistrationOutput(
            resize_displacement(forward, shape), resize_displacement(backward, shape), raw, stages
        )


class LatentNetwork(RegistrationNetwork):
    """widths: channels of each level, so the latent grid is 2^len(widths) times coarser than the canvas.

    blocks: residual blocks of each level of the encoder; one each by default.
    segments: number of labels that a linear layer predicts from the encoder's finest feature (from the latent itself,
    without skips); 0 for none. It teaches the encoder anatomy in training; registration does not use it.
    """

    stages = {"encoder-fixed": "fixed", "encoder-moving": "moving", "decoder": "fixed"}

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 96),
        transformation: str = "velocity",
        skips: bool = False,
        segments: int = 0,
        blocks: Sequence[int] = (),
        normalised: bool = False,
    ):
        super().__init__()
        blocks = blocks or [1] * len(widths)
        self.encoder = Encoder(widths, blocks, skips, normalised)
        self.decoder = Decoder(widths, transformation, skips)
        channels, scale = (widths[0], 2) if skips else (widths[-1], 2 ** (len(widths) - 1))
        self.read_out = SubpixelConvolution(channels, segments, scale) if segments else None

    def encode(self, volume: Tensor) -> Tensor:
        """(B, 1, D, H, W), intensities in [0, 1], to the latent (B, C, d, h, w)."""
        return self.encoder(volume)[0]

    def decode(self, z: Tensor, shape, finer: Sequence[tuple[Tensor, Tensor]] = ()) -> RegistrationOutput:
        """The registration that the latent difference `z` stands for, on a grid of `shape` (D, H, W) over the canvas.

        finer: the (moving, fixed) features of a network with skips, coarsest first; none for a difference of 0.
        """
        raw, activation = self.decoder(z, finer)
        return self.integrate_output(raw, shape, {"decoder": activation})

    @property
    def integrate(self) -> Any:
        return self.decoder.integrate

    def register(self, features: Sequence[Tensor], shape) -> RegistrationOutput:
        (encoded_fixed, encoded_moving), *finer = (level.chunk(2) for level in features)
        output = self.decode(encoded_moving - encoded_fixed, shape, [(m, f) for f, m in finer])
        output.stages |= {"encoder-fixed": encoded_fixed, "encoder-moving": encoded_moving}
        return output
