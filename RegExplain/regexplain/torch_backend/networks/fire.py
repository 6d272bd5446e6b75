"""Synthesis and registration of two contrasts (FIRE, Wang et al. 2019; ExFIRE), under the papers' names.

G   `encoder`         shared by both modalities, encodes each volume alone
T   `transformation`  both directions at once, coarse to fine; its affine part is `networks/affine.py`
F   `synthesis`       one decoder a modality, from features to a T1 or a FLAIR
D   `discriminators`  one a modality: is this patch real?

Ours: T's velocity is antisymmetric in (fixed, moving), v = (N(f, m) − N(m, f)) / 2, and the two directions are exp(v)
and exp(−v): inverse to each other by construction, where the papers have a penalty and two networks. What N(f, m) and
N(m, f) disagree about, (N(f, m) + N(m, f)) / 2, is kept: it is the inverse consistency that the papers speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.self_similarity import mind_ssc
from ..spatial.transformation import exponentiate_velocity
from ..spatial.warp import resize, resize_displacement, warp
from .affine import AffineNetwork
from .latent import (
    SLOPE,
    Encoder,
    RegistrationNetwork,
    RegistrationOutput,
    ResidualBlock,
    SubpixelConvolution,
    upsampling_convolution,
)

PATCH_SLOPE = 0.2
MIN_CELLS = 10.0
CONTRAST = 0.1  # of brightness: what counts as one
DESCRIPTORS = 12  # channels of `mind_ssc`
SHARPNESS = 20.0
RENAMED_OPTIONS = {"looks": "iterations"}
NEIGHBOURS = list(product(range(3), repeat=3))  # offsets + 1 of the cells that are compared


class SelfSimilarEncoder(Encoder):
    """G: encodes each volume and its self-similarity, which is nearly the same in every contrast, and appends the
    latter to the features of every level: (B, width + 12, D/2^n, …), coarsest first.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]):
        super().__init__(widths, blocks, skips=True, normalised=True, channels=1 + DESCRIPTORS)

    def forward(self, x: Tensor) -> list[Tensor]:
        descriptors = mind_ssc(x.float())
        features = []
        for learnt in reversed(super().forward(torch.cat([x, descriptors], 1))):
            descriptors = F.avg_pool3d(descriptors, 2)
            features.append(torch.cat([learnt, descriptors.to(learnt.dtype)], 1))
        return features[::-1]


class Transformation(nn.Module):
    """Features of fixed and moving, coarsest first, to the velocity at the finest level, in canvas voxels.

    In each of the `iterations` of a level both sides are first warped to their midpoint by the velocity so far (as in
    RAFT, Teed and Deng 2020). The input is then the features of both, and a correlation volume: the similarity of each
    cell to its counterpart and to the neighbours of that.
    """

    def __init__(self, widths: Sequence[int], iterations: Sequence[int]):
        super().__init__()
        correlation = 2 * DESCRIPTORS + 2 * len(NEIGHBOURS)
        self.iterations = list(iterations)
        self.meet = nn.ModuleList(nn.Conv3d(2 * w + correlation, w, 1) for w in widths)
        self.refine = nn.ModuleList(ResidualBlock(w) for w in widths)
        self.up = nn.ModuleList(upsampling_convolution(i, o) for i, o in pairwise(widths))
        self.part = nn.ModuleList(nn.Conv3d(w, 3, 3, padding=1) for w in widths)
        for weight in (p for p in self.part.parameters() if p.dim() == 5):
            nn.init.normal_(weight, std=1e-3)  # begins near the identity

    def forward(self, fixed: Sequence[Tensor], moving: Sequence[Tensor]) -> TransformationOutput:
        """Without the finest features the velocity is that of the level above."""
        x: Tensor | None = None
        raw = disagreement = fixed[0].new_zeros(len(fixed[0]), 3, *fixed[0].shape[2:], dtype=torch.float32)
        predictions = []
        for level, (f, m) in enumerate(zip(fixed, moving, strict=True)):
            raw, disagreement = resize(raw, f.shape[2:]), resize(disagreement, f.shape[2:])
            context = None if x is None else self.up[level - 1](x)
            for _ in range(self.iterations[level]):
                met = self.meet[level](self._correlate(raw, f, m, 2 ** (len(self.meet) - level)))
                if context is not None:
                    met = met + context
                orders = self.refine[level](F.leaky_relu(met, SLOPE)).chunk(2)
                x = context = torch.cat(orders)  # of the two that are returned: a gradient finds its way to each
                there, back = self.part[level](x).float().chunk(2)
                raw, disagreement = raw + (there - back) / 2, disagreement + (there + back) / 2
                predictions.append(raw)
        return TransformationOutput(raw, disagreement, orders, predictions)

    def _correlate(self, raw: Tensor, fixed: Tensor, moving: Tensor, cell: float) -> Tensor:
        """The input of a level in the order (fixed, moving), then in the other; cells measure `cell` canvas voxels."""
        # No gradient through the warp: every iteration has its own term in the loss (as in RAFT, Teed and Deng 2020).
        there, back = exponentiate_velocity((raw.detach() if self.training else raw) / 2, cell)
        f, m = warp(fixed.float(), back).to(fixed.dtype), warp(moving.float(), there).to(moving.dtype)
        return torch.cat([correlation_features(f, m), correlation_features(m, f)])


class TransformationOutput(NamedTuple):
    """T's prediction, (B, 3, D, H, W) canvas voxels. N(f, m) is velocity + disagreement, and N(m, f) is disagreement −
    velocity: 0 where each undoes the other.

    orders: the last activations of (fixed, moving) and of (moving, fixed). predictions: the velocity after each
    iteration, coarsest level first.
    """

    velocity: Tensor
    disagreement: Tensor
    orders: tuple[Tensor, ...]
    predictions: list[Tensor]


def correlation_features(a: Tensor, b: Tensor) -> Tensor:
    """Both features and their similarities, of the learnt ones and of the descriptors: (B, 2C + 54, D, H, W)."""
    alike = (
        cosine_similarity(without_descriptors(a), without_descriptors(b)),
        descriptor_similarity(a[:, -DESCRIPTORS:], b[:, -DESCRIPTORS:]),
    )
    return torch.cat([a, b, *(part.to(a.dtype) for part in alike)], 1)


def without_descriptors(features: Tensor) -> Tensor:
    """The learnt features alone."""
    return features[:, :-DESCRIPTORS]


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of a's features (B, C, D, H, W) and of b's at each of the 27 NEIGHBOURS: (B, 27, D, H, W)."""
    a, b = (F.normalize(x.float(), dim=1) for x in (a, b))
    return compare_neighbours(a, b, lambda x, y: (x * y).sum(1))


def descriptor_similarity(a: Tensor, b: Tensor) -> Tensor:
    """As `cosine_similarity`, of descriptors in [0, 1]: 1 for the same ones, less by their mean squared difference."""
    return compare_neighbours(a.float(), b.float(), lambda x, y: 1 - SHARPNESS * (x - y).square().mean(1))


def compare_neighbours(a: Tensor, b: Tensor, similarity: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """`similarity` of a and of b shifted to each of the 27 NEIGHBOURS: (B, 27, D, H, W)."""
    d, h, w = a.shape[2:]
    padded = F.pad(b, [1] * 6, mode="replicate")
    return torch.stack([similarity(a, padded[:, :, z : z + d, y : y + h, x : x + w]) for z, y, x in NEIGHBOURS], 1)


class Synthesis(nn.Module):
    """G's finest features (B, C, d, h, w) to an image (B, 1, 2d, 2h, 2w) in [0, 1]."""

    def __init__(self, width: int, blocks: int = 2):
        super().__init__()
        self.refine = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.draw = SubpixelConvolution(width, 1, 2)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(image, the activation behind it)."""
        x = self.refine(features)
        return self.draw(x).sigmoid(), x


class Discriminator(nn.Module):
    """(B, 1, D, H, W) to one logit a patch (B, 1, D/8, H/8, W/8): large for real images."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.down = nn.ModuleList(nn.Conv3d(i, o, 4, stride=2, padding=1) for i, o in pairwise([1, *widths]))
        self.logit = nn.Conv3d(widths[-1], 1, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(logits, the activation behind them)."""
        x = image
        for down in self.down:
            x = F.leaky_relu(down(x), PATCH_SLOPE)
        return self.logit(x).float(), x


def structure_contrast(images: Tensor, structures: Tensor) -> Tensor:
    """(B, L) mean of `images` (B, 1, D, H, W) in each of `structures` (B, L, D, H, W) in [0, 1], less the mean over all
    of them, in CONTRASTs; 0 for a structure that is hardly there."""
    sizes = structures.sum((2, 3, 4))
    sums = (structures * images).sum((2, 3, 4))
    overall = sums.sum(1, keepdim=True) / sizes.sum(1, keepdim=True).clamp_min(1e-6)
    return (sums - sizes * overall) / (sizes + MIN_CELLS) / CONTRAST


def split_pair(features: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """[features of fixed, features of moving], from features of both stacked along the batch in this order."""
    return list(zip(*(level.chunk(2) for level in features), strict=True))


def midpoint_displacements(output: RegistrationOutput) -> tuple[Tensor, Tensor]:
    """Displacements, in cells of 2 voxels: from fixed to the midpoint of the two images, and from moving to it."""
    return exponentiate_velocity(output.raw / 2, 2)


def one_sided_displacements(output: RegistrationOutput) -> tuple[Tensor, Tensor]:
    """T's displacements of (fixed, moving) and of (moving, fixed), each by itself, in cells of 2 voxels."""
    assert output.disagreement is not None
    there, back = output.disagreement + output.raw, output.disagreement - output.raw
    return exponentiate_velocity(there, 2)[0], exponentiate_velocity(back, 2)[0]


def current_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a network on an older card or configuration, by the names that its constructor has now."""
    return {RENAMED_OPTIONS.get(name, name): value for name, value in options.items()}


class FireNetwork(RegistrationNetwork):
    """widths: channels of G's levels, the finest (half the canvas' resolution) first.

    modalities: their names, in the order of `modality`'s logits; without any, for images of every contrast, the network
    is G and T alone, and T has no affine part. segments: labels that a linear layer predicts
    from G's finest features in training, 0 for none. iterations: of each level of T, coarsest first.
    T's stages lie at the midpoint of the two images.
    """

    stages = {
        "encoder-fixed": "fixed",
        "encoder-moving": "moving",
        "transformation-forward": "fixed",
        "transformation-backward": "moving",
    }

    integrate = staticmethod(exponentiate_velocity)
    modality: Any  # None, as `affine`, without modalities
    affine: Any

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 64),
        modalities: Sequence[str] = ("T1", "FLAIR"),
        segments: int = 0,
        blocks: Sequence[int] = (),
        patch_widths: Sequence[int] = (16, 32, 64),
        affine: dict | None = None,
        iterations: Sequence[int] = (1, 1, 2, 2),
    ):
        super().__init__()
        self.modalities = list(modalities)
        self.encoder = SelfSimilarEncoder(widths, blocks or [1] * len(widths))
        self.transformation = Transformation(list(reversed(widths)), iterations)
        finest = widths[0] + DESCRIPTORS
        self.synthesis = nn.ModuleDict({name: Synthesis(finest) for name in modalities})
        self.discriminators = nn.ModuleDict({name: Discriminator(patch_widths) for name in modalities})
        self.modality = nn.Linear(max(segments, 1), len(modalities)) if modalities else None
        self.read_out = SubpixelConvolution(finest, segments, 1) if segments else None
        self.affine = AffineNetwork(**(affine or {})) if modalities else None

    def register(self, features: Sequence[Tensor], shape) -> RegistrationOutput:
        of_fixed, of_moving = split_pair(features)
        found = self.transformation(of_fixed, of_moving)
        there, back = found.orders
        stages = {
            "encoder-fixed": of_fixed[-1],
            "encoder-moving": of_moving[-1],
            "transformation-forward": there,
            "transformation-backward": back,
        }
        output = self.integrate_output(found.velocity, shape, stages)
        output.disagreement, output.predictions = found.disagreement, found.predictions
        return output

    def coarse_velocity(self, features: Sequence[Tensor]) -> Tensor:
        """T's velocity but for its finest level, before integration, (B, 3, D/4, H/4, W/4) canvas voxels."""
        return self.transformation(*split_pair(features[:-1])).velocity

    def modality_logits(self, volumes: Tensor, finest: Tensor) -> Tensor:
        """(B, modalities), linear in the contrast of the structures that G's finest features show.

        The features alone do not suffice: they are to be the same in all modalities.
        """
        with torch.no_grad():
            if self.read_out is None:
                return self.modality(volumes.new_zeros(len(volumes), 1))
            contrasts = structure_contrast(F.avg_pool3d(volumes.float(), 2), self.read_out(finest).sigmoid())
        return self.modality(contrasts)

    def modality_probabilities(self, volumes: Tensor, features: Sequence[Tensor] | None = None) -> Tensor:
        """(B, modalities), summing to 1. features: G's of the volumes, where they are known."""
        return self.modality_logits(volumes, (features or self.encoder(volumes))[-1]).softmax(1)

    def synthesise(self, features: Tensor, modality: str, displacement: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The image of `modality` that F synthesises from G's finest features, warped: (image, activation).

        displacement: pull-back on any grid over the canvas, in voxels of that grid; none to stay in place.
        """
        if displacement is not None:
            features = warp(features.float(), resize_displacement(displacement, features.shape[2:]))
        return self.synthesis[modality](features)
