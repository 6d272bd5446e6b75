"""Synthesis and registration of two contrasts (FIRE, Wang et al. 2019; ExFIRE), under the papers' names.

G   `encoder`         shared by both modalities, sees each volume alone
T   `transformation`  both directions at once, coarse to fine; its affine part is `networks/affine.py`
F   `synthesis`       one decoder a modality: what these features would look like as T1, as FLAIR
D   `discriminators`  one a modality: is this patch real?

Ours: T's answer is antisymmetric in (fixed, moving), v = (N(f, m) − N(m, f)) / 2, and the two directions are exp(v) and
exp(−v): inverse to each other by construction, where the papers have a penalty and two networks. What N(f, m) and
N(m, f) disagree about, (N(f, m) + N(m, f)) / 2, is kept: it is the inverse consistency that the papers speak of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.self_similarity import mind_ssc
from ..spatial.transformation import velocity
from ..spatial.warp import grown, resized, warp
from .affine import AffineNetwork
from .latent import SLOPE, Encoder, ReadOut, RegistrationNetwork, RegistrationOutput, Residual, doubling

PATCH_SLOPE = 0.2
FEW_CELLS = 10.0
CONTRAST = 0.1  # of brightness: what counts as one
DESCRIPTORS = 12  # channels of `mind_ssc`
SHARPNESS = 20.0
NEIGHBOURS = list(product(range(3), repeat=3))  # offsets + 1 of the cells that are compared


class SelfSimilarEncoder(Encoder):
    """G: sees each volume and its self-similarity, which is nearly the same in every contrast, and hands the latter on
    with the features of every level: (B, width + 12, D/2^n, …), coarsest first."""

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

    At every level, and there as often as `looks` says, each side is first moved half the way to the other by the answer
    so far; T then sees both features, and how alike each cell is to its counterpart and the counterpart's neighbours.
    """

    def __init__(self, widths: Sequence[int], looks: Sequence[int]):
        super().__init__()
        seen = 2 * DESCRIPTORS + 2 * len(NEIGHBOURS)
        self.looks = list(looks)
        self.meet = nn.ModuleList(nn.Conv3d(2 * w + seen, w, 1) for w in widths)
        self.refine = nn.ModuleList(Residual(w) for w in widths)
        self.up = nn.ModuleList(doubling(i, o) for i, o in pairwise(widths))
        self.part = nn.ModuleList(nn.Conv3d(w, 3, 3, padding=1) for w in widths)
        for weight in (p for p in self.part.parameters() if p.dim() == 5):
            nn.init.normal_(weight, std=1e-3)  # begins near the identity

    def forward(self, fixed: Sequence[Tensor], moving: Sequence[Tensor]) -> Transformed:
        """Without the finest features the answer ends at the level above."""
        x: Tensor | None = None
        raw = disagreement = fixed[0].new_zeros(len(fixed[0]), 3, *fixed[0].shape[2:], dtype=torch.float32)
        answers = []
        for level, (f, m) in enumerate(zip(fixed, moving, strict=True)):
            raw, disagreement = grown(raw, f.shape[2:]), grown(disagreement, f.shape[2:])
            context = None if x is None else self.up[level - 1](x)
            for _ in range(self.looks[level]):
                met = self.meet[level](self._seen(raw, f, m, 2 ** (len(self.meet) - level)))
                if context is not None:
                    met = met + context
                orders = self.refine[level](F.leaky_relu(met, SLOPE)).chunk(2)
                x = context = torch.cat(orders)  # of the two that are returned: a gradient finds its way to each
                there, back = self.part[level](x).float().chunk(2)
                raw, disagreement = raw + (there - back) / 2, disagreement + (there + back) / 2
                answers.append(raw)
        return Transformed(raw, disagreement, orders, answers)

    def _seen(self, raw: Tensor, fixed: Tensor, moving: Tensor, cell: float) -> Tensor:
        """What T sees in the order (fixed, moving), then in the other, of cells of `cell` canvas voxels."""
        # Where T looks is not learnt: every look has its own part in the loss (as in RAFT, Teed and Deng 2020).
        there, back = velocity((raw.detach() if self.training else raw) / 2, cell)
        f, m = warp(fixed.float(), back).to(fixed.dtype), warp(moving.float(), there).to(moving.dtype)
        return torch.cat([side_by_side(f, m), side_by_side(m, f)])


class Transformed(NamedTuple):
    """T's answer, (B, 3, D, H, W) canvas voxels. N(f, m) is velocity + disagreement, and N(m, f) is disagreement −
    velocity: 0 where each undoes the other.

    orders: the last activations of (fixed, moving) and of (moving, fixed). answers: the velocity after each look,
    coarsest level first.
    """

    velocity: Tensor
    disagreement: Tensor
    orders: tuple[Tensor, ...]
    answers: list[Tensor]


def side_by_side(a: Tensor, b: Tensor) -> Tensor:
    """Both features, and how alike they are, the learnt ones and the descriptors: (B, 2C + 54, D, H, W)."""
    alike = likeness(learnt(a), learnt(b)), closeness(a[:, -DESCRIPTORS:], b[:, -DESCRIPTORS:])
    return torch.cat([a, b, *(part.to(a.dtype) for part in alike)], 1)


def learnt(features: Tensor) -> Tensor:
    """Without the descriptors."""
    return features[:, :-DESCRIPTORS]


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of a's features (B, C, D, H, W) and of b's at each of the 27 NEIGHBOURS: (B, 27, D, H, W)."""
    a, b = (F.normalize(x.float(), dim=1) for x in (a, b))
    return around(a, b, lambda x, y: (x * y).sum(1))


def closeness(a: Tensor, b: Tensor) -> Tensor:
    """As `likeness`, of descriptors in [0, 1]: 1 for the same ones, less by their mean squared difference."""
    return around(a.float(), b.float(), lambda x, y: 1 - SHARPNESS * (x - y).square().mean(1))


def around(a: Tensor, b: Tensor, compared: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    d, h, w = a.shape[2:]
    padded = F.pad(b, [1] * 6, mode="replicate")
    return torch.stack([compared(a, padded[:, :, z : z + d, y : y + h, x : x + w]) for z, y, x in NEIGHBOURS], 1)


class Synthesis(nn.Module):
    """G's finest features (B, C, d, h, w) to an image (B, 1, 2d, 2h, 2w) in [0, 1]."""

    def __init__(self, width: int, blocks: int = 2):
        super().__init__()
        self.refine = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.draw = ReadOut(width, 1, 2)

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


def brightness(images: Tensor, structures: Tensor) -> Tensor:
    """(B, L) mean of `images` (B, 1, D, H, W) in each of `structures` (B, L, D, H, W) in [0, 1], less the mean over all
    of them, in CONTRASTs; 0 for a structure that is hardly there."""
    sizes = structures.sum((2, 3, 4))
    sums = (structures * images).sum((2, 3, 4))
    overall = sums.sum(1, keepdim=True) / sizes.sum(1, keepdim=True).clamp_min(1e-6)
    return (sums - sizes * overall) / (sizes + FEW_CELLS) / CONTRAST


def of_each(features: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
    """[those of fixed, those of moving], of features that hold both, stacked in this order."""
    return list(zip(*(level.chunk(2) for level in features), strict=True))


def half_way(output: RegistrationOutput) -> tuple[Tensor, Tensor]:
    """Displacements, in cells of 2 voxels: from fixed to half the way between the two images, and from moving there."""
    return velocity(output.raw / 2, 2)


def each_order(output: RegistrationOutput) -> tuple[Tensor, Tensor]:
    """What T says of (fixed, moving) and of (moving, fixed), each by itself: displacements in cells of 2 voxels."""
    assert output.disagreement is not None
    there, back = output.disagreement + output.raw, output.disagreement - output.raw
    return velocity(there, 2)[0], velocity(back, 2)[0]


class FireNetwork(RegistrationNetwork):
    """widths: channels of G's levels, the finest (half the canvas' resolution) first.

    modalities: their names, in the order of `modality`'s logits; without any, for images of every contrast, the network
    is G and T alone, and T has no affine part. segments: labels that a linear read-out of G's finest features must tell
    in training, 0 for none.
    STAGES: those of its output → the image that each explains; T's lie half the way between the two.
    """

    STAGES = {
        "encoder-fixed": "fixed",
        "encoder-moving": "moving",
        "transformation-forward": "fixed",
        "transformation-backward": "moving",
    }

    integrate = staticmethod(velocity)
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
        looks: Sequence[int] = (1, 1, 2, 2),
    ):
        super().__init__()
        self.modalities = list(modalities)
        self.encoder = SelfSimilarEncoder(widths, blocks or [1] * len(widths))
        self.transformation = Transformation(list(reversed(widths)), looks)
        finest = widths[0] + DESCRIPTORS
        self.synthesis = nn.ModuleDict({name: Synthesis(finest) for name in modalities})
        self.discriminators = nn.ModuleDict({name: Discriminator(patch_widths) for name in modalities})
        self.modality = nn.Linear(max(segments, 1), len(modalities)) if modalities else None
        self.read_out = ReadOut(finest, segments, 1) if segments else None
        self.affine = AffineNetwork(**(affine or {})) if modalities else None

    def registered(self, features: Sequence[Tensor], shape) -> RegistrationOutput:
        of_fixed, of_moving = of_each(features)
        found = self.transformation(of_fixed, of_moving)
        there, back = found.orders
        stages = {
            "encoder-fixed": of_fixed[-1],
            "encoder-moving": of_moving[-1],
            "transformation-forward": there,
            "transformation-backward": back,
        }
        output = self.integrated(found.velocity, shape, stages)
        output.disagreement, output.answers = found.disagreement, found.answers
        return output

    def coarse_velocity(self, features: Sequence[Tensor]) -> Tensor:
        """T's answer but for its finest level, before integration, (B, 3, D/4, H/4, W/4) canvas voxels."""
        return self.transformation(*of_each(features[:-1])).velocity

    def modality_logits(self, volumes: Tensor, finest: Tensor) -> Tensor:
        """(B, modalities), linear in how bright the structures are that G's finest features show, beside one another.

        The features themselves do not tell: they are to be the same in all modalities.
        """
        with torch.no_grad():
            if self.read_out is None:
                return self.modality(volumes.new_zeros(len(volumes), 1))
            contrasts = brightness(F.avg_pool3d(volumes.float(), 2), self.read_out(finest).sigmoid())
        return self.modality(contrasts)

    def modalities_of(self, volumes: Tensor, features: Sequence[Tensor] | None = None) -> Tensor:
        """(B, modalities): how likely each is. features: G's of the volumes, where they are known."""
        return self.modality_logits(volumes, (features or self.encoder(volumes))[-1]).softmax(1)

    def synthesised(self, features: Tensor, modality: str, displacement: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What G's finest features look like as `modality`, after being moved: (image, activation).

        displacement: pull-back on any grid over the canvas, in voxels of that grid; none to stay in place.
        """
        if displacement is not None:
            features = warp(features.float(), resized(displacement, features.shape[2:]))
        return self.synthesis[modality](features)
