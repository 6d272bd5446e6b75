"""The losses of the network for T1 and FLAIR, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...losses.adversarial import discriminator_loss, generator_loss
from ...losses.consistency import inverse_consistency_loss
from ...losses.displacement import displacement_loss
from ...losses.overlap import dice_cross_entropy_loss, soft_dice_loss
from ...losses.regularity import smoothness_loss
from ...losses.synthesis import accuracy_loss, alignment_loss, cycle_loss, feature_loss
from ...networks.affine import Landmarks, affine_between, fit_affine
from ...networks.fire import FireNetwork, one_sided_displacements, without_descriptors
from ...networks.latent import RegistrationOutput
from ...spatial.warp import warp
from .anatomies import CELL_MM
from .config import FireConfig, LossWeights
from .heads import HeadPair
from .pairs import HALF_MM, Pair

SEQUENCE_DECAY = 0.7


class FireObjective(nn.Module):
    """Of a batch {"pairs": Pair, "heads": HeadPair, "synthesise": bool}, each absent where no loss needs it."""

    def __init__(self, network: FireNetwork, config: FireConfig):
        super().__init__()
        self.network, self.config = network, config

    def forward(self, batch: dict) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        if "pairs" in batch:
            terms |= self._registration(batch["pairs"], batch["synthesise"])
        if "heads" in batch:
            terms["affine"] = self._landmarks(batch["heads"])
        total = torch.stack([getattr(self.config.losses, name) * value for name, value in terms.items()]).sum()
        return terms | {"total": total}

    def _precision(self, like: Tensor):
        return torch.autocast(like.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _landmarks(self, heads: HeadPair) -> Tensor:
        with self._precision(heads.fixed):
            found, _ = self.network.affine.landmarks(heads.fixed, heads.moving)
        return landmark_loss(found, heads) + landmark_error(affine_between(found), heads).mean()

    def _registration(self, pairs: Pair, synthesise: bool) -> dict[str, Tensor]:
        volumes = torch.cat([pairs.fixed, pairs.moving])
        with self._precision(volumes):
            features = self.network.encoder(volumes)
            output = self.network.register(features, [n // 2 for n in volumes.shape[2:]])
        of_fixed, of_moving = features[-1].chunk(2)
        losses = self.config.losses
        terms = motion_losses(output, pairs, losses)
        if losses.modality:
            terms["modality"] = self._modality(pairs, volumes, features[-1])
        if losses.alignment:  # trains G alone: corresponding places are to have similar features
            terms["alignment"] = alignment_loss(
                [without_descriptors(of_moving)],
                output.displacement.detach(),
                [without_descriptors(of_fixed)],
                pairs.weight,
            )
        if losses.read_out and self.network.read_out is not None:
            terms["read_out"] = self._read_out(pairs, features[-1])
        if synthesise:
            terms |= self._synthesis(pairs, features[-1], output)
        return terms

    def _modality(self, pairs: Pair, volumes: Tensor, features: Tensor) -> Tensor:
        with self._precision(volumes):
            logits = self.network.modality_logits(volumes, features)
        return F.cross_entropy(logits.float(), torch.cat([pairs.fixed_modality, pairs.moving_modality]))

    def _read_out(self, pairs: Pair, features: Tensor) -> Tensor:
        with self._precision(features):
            logits = self.network.read_out(features)
        segments = torch.cat([pairs.fixed_segments, pairs.moving_segments])
        return loss_where_segmented(dice_cross_entropy_loss, logits, segments, pairs.has_segments.repeat(2))

    def _synthesis(self, pairs: Pair, features: Tensor, output: RegistrationOutput) -> dict[str, Tensor]:
        """F and D in both directions, one item of the batch at a time: each has its own pair of modalities.

        The motion is the network's own where nothing else is known, so F's accuracy trains T too (FIRE).
        """
        of_fixed, of_moving = features.chunk(2)
        fixed = pairs.fixed, pairs.fixed_modality, of_fixed, output.displacement
        moving = pairs.moving, pairs.moving_modality, of_moving, output.inverse
        terms: dict[str, list[Tensor]] = {}
        for k in range(len(pairs.fixed)):
            for here, there in ((fixed, moving), (moving, fixed)):
                (real, modality, _, move), (start, other, source, way_back) = (
                    [part[k : k + 1] for part in side] for side in (here, there)
                )
                names = [self.network.modalities[int(m)] for m in (modality, other)]
                for name, value in self._one_way(real, start, source, move, way_back, names).items():
                    terms.setdefault(name, []).append(value)
        return {name: torch.stack(values).mean() for name, values in terms.items()}

    def _one_way(
        self, real: Tensor, start: Tensor, source: Tensor, move: Tensor, way_back: Tensor, names: list[str]
    ) -> dict[str, Tensor]:
        """`source`: G's finest features of `start`, which `move` brings to where `real` lies."""
        network, (own, other) = self.network, names
        discriminator = network.discriminators[own]
        with self._precision(real):
            image, _ = network.synthesise(source, own, move)
            seen = network.encoder(torch.cat([image, real]))
            returned, _ = network.synthesise(seen[-1][:1], other, way_back)
            real_logits, _ = discriminator(real)
            fake_logits, _ = discriminator(image.detach())
            with frozen(discriminator):
                passed_logits, _ = discriminator(image)
        return {
            "accuracy": accuracy_loss(image, real),
            "feature": feature_loss([seen[-1][:1]], [seen[-1][1:].detach()]),
            "cycle": cycle_loss(returned, start),
            "discriminator": discriminator_loss(real_logits, fake_logits),
            "generator": generator_loss(passed_logits),
        }


def motion_losses(output: RegistrationOutput, pairs: Pair, weights: LossWeights) -> dict[str, Tensor]:
    """Those of the motion alone that have a weight, by name."""
    terms: dict[str, Tensor] = {}
    if weights.known:
        terms["known"] = both_displacement_losses(output, pairs)
    if weights.on_the_way:
        terms["on_the_way"] = sequence_loss(output.predictions, pairs)
    if weights.overlap:
        terms["overlap"] = overlap_loss(output, pairs)
    if weights.smoothness:
        terms["smoothness"] = smoothness_loss(output.raw / 2)
    if weights.disagreement:
        assert output.disagreement is not None
        terms["disagreement"] = CELL_MM * output.disagreement.norm(dim=1).mean()
    if weights.inverse_consistency:
        terms["inverse_consistency"] = inverse_consistency_loss(*one_sided_displacements(output))
    return terms


def both_displacement_losses(output: RegistrationOutput, pairs: Pair) -> Tensor:
    """Mean error of the displacements, mm, both directions."""
    there = displacement_loss(output.displacement, pairs.displacement, pairs.weight)
    back = displacement_loss(output.inverse, pairs.inverse, pairs.weight)
    return HALF_MM / 2 * (there + back)


def sequence_loss(predictions: Sequence[Tensor], pairs: Pair) -> Tensor:
    """Mean error of T's velocity, mm, against the known one on the same cells; that of each iteration counts
    SEQUENCE_DECAY times as much as that of the next one (as in RAFT, Teed and Deng 2020)."""
    errors: list[Tensor] = []
    for prediction in predictions:
        errors = [SEQUENCE_DECAY * error for error in errors]
        truth, weight = (
            F.interpolate(part, prediction.shape[2:], mode="area") for part in (pairs.velocity, pairs.weight)
        )
        errors.append(displacement_loss(prediction, truth, weight))
    return CELL_MM * torch.stack(errors).sum()


def overlap_loss(output: RegistrationOutput, pairs: Pair) -> Tensor:
    """Soft Dice of the structures in both directions, at two resolutions; of pairs that have segments and whose motion
    is not known."""
    both = torch.cat([output.displacement, output.inverse])
    segments = torch.cat([pairs.moving_segments, pairs.fixed_segments])
    targets = segments.roll(len(pairs.fixed), 0)
    has = (pairs.has_segments * (pairs.weight.flatten(1).amax(1) == 0)).repeat(2)
    if not bool(has.any()):
        return output.raw.sum() * 0
    warped = warp(segments, both)
    fine = loss_where_segmented(soft_dice_loss, warped, targets, has)
    return fine + 0.5 * loss_where_segmented(soft_dice_loss, F.avg_pool3d(warped, 2), F.avg_pool3d(targets, 2), has)


def loss_where_segmented(loss, values: Tensor, targets: Tensor, has_segments: Tensor) -> Tensor:
    """`loss` of those items of the batch that have segments; 0 where none has."""
    chosen = has_segments > 0
    return loss(values[chosen], targets[chosen]) if bool(chosen.any()) else values.float().sum() * 0


def landmark_loss(found: Landmarks, heads: HeadPair) -> Tensor:
    """mm: how far the landmarks are from the middles of the structures, where these are known, and, of two
    images of one head, how far from corresponding; and 10 × the cross-entropy of which structures are in view."""
    count = found.points.shape[1]
    known = heads.weight[:, :count]
    here, there = found.points.chunk(2)
    errors = (distance(here, heads.fixed_points[:, :count]) + distance(there, heads.moving_points[:, :count])) / 2
    same, between = heads.weight[:, count:], heads.weight[:, count:].sum(1) > count
    motion = fit_affine(heads.fixed_points[:, count:], heads.moving_points[:, count:], same)
    apart = distance(here @ motion[:, :3, :3].mT + motion[:, None, :3, 3], there).mean(1)
    presence = F.binary_cross_entropy_with_logits(found.presence, known.repeat(2, 1), reduction="none")
    has_structures = (known.sum(1) > 0).repeat(2)[:, None]
    return (
        (errors * known).sum() / known.sum().clamp_min(1)
        + (apart * between).sum() / between.sum().clamp_min(1)
        + 10 * (presence * has_structures).mean()
    )


def distance(a: Tensor, b: Tensor) -> Tensor:
    """(B, K) of points (B, K, 3); smooth at 0."""
    return (a - b).square().sum(2).add(1e-4).sqrt()


def landmark_error(matrix: Tensor, heads: HeadPair) -> Tensor:
    """(B,) mm: mean distance from where `matrix` (B, 4, 4) takes the fixed head's points to the moving head's."""
    moved = heads.fixed_points @ matrix[:, :3, :3].mT + matrix[:, None, :3, 3]
    return (distance(moved, heads.moving_points) * heads.weight).sum(1) / heads.weight.sum(1).clamp_min(1e-6)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Without gradients for the parameters of `module`, but with gradients through it."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
