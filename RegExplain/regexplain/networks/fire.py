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

from collections.abc import Sequence
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spatial.transformation import velocity
from ..spatial.warp import grown, resized, warp
from .affine import AffineNetwork
from .latent import SLOPE, Encoder, ReadOut, RegistrationNetwork, RegistrationOutput, Residual, doubling

PATCH_SLOPE = 0.2
MIDDLE = (64, 80, 64)  # canvas voxels, (z, y, x)
NEIGHBOURS = list(product(range(3), repeat=3))  # offsets + 1 of the cells that are compared


class Transformation(nn.Module):
    """Features of fixed and moving, coarsest first, to the velocity at the finest level, in canvas voxels.

    At every level each side is first moved half the way to the other by the answer so far; T then sees both features,
    and how alike each cell is to its counterpart and the counterpart's 26 neighbours.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.meet = nn.ModuleList(nn.Conv3d(2 * w + len(NEIGHBOURS), w, 3, padding=1) for w in widths)
        self.refine = nn.ModuleList(Residual(w) for w in widths)
        self.up = nn.ModuleList(doubling(i, o) for i, o in pairwise(widths))
        self.part = nn.ModuleList(nn.Conv3d(w, 3, 3, padding=1) for w in widths)
        for weight in (p for p in self.part.parameters() if p.dim() == 5):
            nn.init.normal_(weight, std=1e-3)  # begins near the identity

    def forward(self, fixed: Sequence[Tensor], moving: Sequence[Tensor]) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """(velocity (B, 3, D, H, W), what the two orders disagree about, the last activations of (fixed, moving) and
        of (moving, fixed)).

        N(f, m) is velocity + disagreement, and N(m, f) is disagreement − velocity: 0 where each undoes the other.
        """
        x: Tensor | None = None
        raw = disagreement = fixed[0].new_zeros(len(fixed[0]), 3, *fixed[0].shape[2:], dtype=torch.float32)
        for level, (f, m) in enumerate(zip(fixed, moving, strict=True)):
            if level:
                raw, disagreement = grown(raw, f.shape[2:]), grown(disagreement, f.shape[2:])
                halves = velocity(raw / 2, 2 ** (len(fixed) - level))
                f, m = warp(f.float(), halves[1]), warp(m.float(), halves[0])
            met = self.meet[level](torch.cat([side_by_side(f, m), side_by_side(m, f)]))
            if x is not None:
                met = met + self.up[level - 1](x)
            orders = self.refine[level](F.leaky_relu(met, SLOPE)).chunk(2)
            x = torch.cat(orders)  # of the two that are returned, so that a gradient finds its way to each of them
            there, back = self.part[level](x).float().chunk(2)
            raw, disagreement = raw + (there - back) / 2, disagreement + (there + back) / 2
        return raw, disagreement, orders


def side_by_side(a: Tensor, b: Tensor) -> Tensor:
    """Both features and their likeness, (B, 2C + 27, D, H, W)."""
    return torch.cat([a, b, likeness(a, b).to(a.dtype)], 1)


def likeness(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of a's features (B, C, D, H, W) and of b's at each of the 27 NEIGHBOURS: (B, 27, D, H, W)."""
    a, b = (F.normalize(x.float(), dim=1) for x in (a, b))
    d, h, w = a.shape[2:]
    around = F.pad(b, [1] * 6, mode="replicate")
    cosines = [(a * around[:, :, z : z + d, y : y + h, x : x + w]).sum(1) for z, y, x in NEIGHBOURS]
    return torch.stack(cosines, 1)


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

    modalities: their names, in the order of `modality`'s logits. segments: labels that a linear read-out of G's finest
    features must tell in training, 0 for none.
    STAGES: those of its output → the image that each explains; T's lie half the way between the two.
    """

    STAGES = {
        "encoder-fixed": "fixed",
        "encoder-moving": "moving",
        "transformation-forward": "fixed",
        "transformation-backward": "moving",
    }

    integrate = staticmethod(velocity)

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 64),
        modalities: Sequence[str] = ("T1", "FLAIR"),
        segments: int = 0,
        blocks: Sequence[int] = (),
        patch_widths: Sequence[int] = (16, 32, 64),
        affine: dict | None = None,
    ):
        super().__init__()
        self.modalities = list(modalities)
        self.encoder = Encoder(widths, blocks or [1] * len(widths), skips=True, normalised=True)
        self.transformation = Transformation(list(reversed(widths)))
        self.synthesis = nn.ModuleDict({name: Synthesis(widths[0]) for name in modalities})
        self.discriminators = nn.ModuleDict({name: Discriminator(patch_widths) for name in modalities})
        self.modality = nn.Linear(2 * sum(widths), len(modalities))
        self.read_out = ReadOut(widths[0], segments, 1) if segments else None
        self.affine = AffineNetwork(**(affine or {}))

    def registered(self, features: Sequence[Tensor], shape) -> RegistrationOutput:
        of_fixed, of_moving = of_each(features)
        raw, disagreement, (there, back) = self.transformation(of_fixed, of_moving)
        stages = {
            "encoder-fixed": of_fixed[-1],
            "encoder-moving": of_moving[-1],
            "transformation-forward": there,
            "transformation-backward": back,
        }
        output = self.integrated(raw, shape, stages)
        output.disagreement = disagreement
        return output

    def velocity(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """T's answer before integration, (B, 3, D/2, H/2, W/2) canvas voxels."""
        return self.transformation(*of_each(self.encoder(torch.cat([fixed, moving]))))[0]

    def modality_logits(self, features: Sequence[Tensor]) -> Tensor:
        """(B, modalities), linear in the means and spreads of G's features of crops no larger than MIDDLE."""
        flat = [level.float().flatten(2) for level in features]
        return self.modality(torch.cat([s for x in flat for s in (x.mean(2), x.std(2))], 1))

    def modalities_of(self, volumes: Tensor) -> Tensor:
        """(B, modalities): how likely each is, by the middle of the volumes (B, 1, D, H, W), which training saw too."""
        starts = [max(0, (n - m) // 2) for n, m in zip(volumes.shape[2:], MIDDLE, strict=True)]
        z, y, x = (slice(start, start + m) for start, m in zip(starts, MIDDLE, strict=True))
        return self.modality_logits(self.encoder(volumes[:, :, z, y, x])).softmax(1)

    def synthesised(self, features: Tensor, modality: str, displacement: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What G's finest features look like as `modality`, after being moved: (image, activation).

        displacement: pull-back on any grid over the canvas, in voxels of that grid; none to stay in place.
        """
        if displacement is not None:
            features = warp(features.float(), resized(displacement, features.shape[2:]))
        return self.synthesis[modality](features)
