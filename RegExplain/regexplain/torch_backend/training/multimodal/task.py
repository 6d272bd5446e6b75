"""A network of `networks/fire.py`, trained on synthetic heads and real visits in two contrasts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...networks.fire import FireNetwork, current_options
from ...spatial.warp import warp
from ..latent.evaluation import hard_dice
from ..seeding import seeded_generator
from .anatomies import Anatomy, read_anatomies
from .config import FireConfig, Sources
from .heads import HeadPair, head_pair, stack_head_pairs
from .objective import FireObjective, landmark_error
from .pairs import HALF_MM, Pair, between_subjects, same_subject, stack_pairs
from .visits import Visit, read_visit

VALIDATION_PAIRS = 8  # held-out pairs of each sort


class Subjects:
    """Heads and visits that pairs are drawn from."""

    def __init__(self, heads: list[Anatomy], visits: list[Visit]):
        self.heads, self.visits = heads, visits

    def any(self, generator: torch.Generator) -> Anatomy | Visit:
        """A real visit in two draws of five."""
        visit = self.visits and float(torch.rand(1, generator=generator)) < 0.4
        return random_choice(self.visits if visit else self.heads, generator)

    def two_heads(self, generator: torch.Generator) -> tuple[Anatomy, Anatomy]:
        first, second = torch.randperm(len(self.heads), generator=generator)[:2].tolist()
        return self.heads[first], self.heads[second]


def random_choice(items, generator: torch.Generator):
    return items[int(torch.randint(len(items), (1,), generator=generator))]


class FireTask:
    validation_pairs = VALIDATION_PAIRS

    def __init__(self, config: FireConfig):
        self.config = config
        data = config.data
        self.trained = self._subjects(data, data.trained_heads, data.trained_visits)
        self.held_out = self._subjects(data, data.held_out_heads, data.held_out_visits)

    def _subjects(self, data: Sources, heads: list[int], visits: list[str]) -> Subjects:
        folder = self.config.path(data.visits)
        return Subjects(
            read_anatomies(self.config.path(data.label_maps), heads),
            [read_visit(folder / f"{name}T1.nii.gz", folder / f"{name}FLAIR.nii.gz") for name in visits],
        )

    def network(self) -> FireNetwork:
        return FireNetwork(**current_options(self.config.network))

    def objective(self, network: nn.Module) -> nn.Module:
        assert isinstance(network, FireNetwork)
        return FireObjective(network, self.config)

    def batch(self, step: int, indices: range) -> dict:
        losses = self.config.losses
        generators = [seeded_generator(self.config.seed, step, index) for index in indices]
        batch: dict = {"synthesise": bool(losses.accuracy) and step % self.config.synthesise_every == 0}
        if losses.of_pairs:
            batch["pairs"] = stack_pairs([self._pair(self.trained, g) for g in generators])
        if losses.affine:
            batch["heads"] = stack_head_pairs([self._heads(self.trained, g) for g in generators])
        return batch

    def _pair(self, subjects: Subjects, g: torch.Generator) -> Pair:
        if float(torch.rand(1, generator=g)) < self.config.between_subjects:
            return between_subjects(*subjects.two_heads(g), g, self.config.crop)
        return same_subject(subjects.any(g), g, self.config.crop)

    def _heads(self, subjects: Subjects, g: torch.Generator) -> HeadPair:
        if float(torch.rand(1, generator=g)) < 0.5:
            return head_pair(*subjects.two_heads(g), g)
        subject = subjects.any(g)
        return head_pair(subject, subject, g)

    def validate(self, average: nn.Module, device: torch.device) -> dict[str, float]:
        """Metrics of what the losses train, always on the same held-out pairs."""
        assert isinstance(average, FireNetwork)
        losses = self.config.losses
        moved = self.registration_figures(average, device) if losses.known or losses.on_the_way else {}
        return moved | (self.affine_figures(average, device) if losses.affine else {})

    @torch.no_grad()
    def registration_figures(self, network: FireNetwork, device: torch.device) -> dict[str, float]:
        """The share of known motions that is undone, the error left of them, the Dice between two subjects."""
        pairs = (self._same_subject_pair(k).to(device) for k in range(self.validation_pairs))
        errors = [displacement_errors(network, pair) for pair in pairs]
        before, after = (sum(column) / self.validation_pairs for column in zip(*errors, strict=True))
        dice = [structure_dice(network, self._between(k).to(device)) for k in range(self.validation_pairs // 2)]
        return {
            "held_out_share_undone": 1 - after / before,
            "held_out_error_mm": after,
            "held_out_dice": sum(dice) / len(dice),
        }

    @torch.no_grad()
    def affine_figures(self, network: FireNetwork, device: torch.device) -> dict[str, float]:
        heads = stack_head_pairs(
            [self._heads(self.held_out, seeded_generator(0, 0, k)) for k in range(2 * self.validation_pairs)]
        )
        apart = torch.eye(4).expand(len(heads.fixed), 4, 4)
        before, after = (
            float(landmark_error(m, heads).mean()) for m in (apart, predict_affine(network, heads, device))
        )
        return {"held_out_affine_share_undone": 1 - after / before, "held_out_affine_mm": after}

    def _same_subject_pair(self, k: int) -> Pair:
        """Of visits and heads in turn."""
        subjects: list[Anatomy | Visit] = [*self.held_out.visits, *self.held_out.heads]
        g = seeded_generator(1, 0, k)
        return stack_pairs([same_subject(subjects[k % len(subjects)], g, self.config.crop)])

    def _between(self, k: int) -> Pair:
        heads = self.held_out.heads
        return stack_pairs(
            [
                between_subjects(
                    heads[k % len(heads)], heads[(k + 1) % len(heads)], seeded_generator(2, 0, k), self.config.crop
                )
            ]
        )


def displacement_errors(network: FireNetwork, pair: Pair) -> tuple[float, float]:
    """Mean end-point error, mm, of the zero displacement and of the network's prediction."""
    prediction = network(pair.fixed, pair.moving, pair.displacement.shape[2:]).displacement
    distances = ((guess - pair.displacement).norm(dim=1, keepdim=True) for guess in (0 * prediction, prediction))
    before, after = (float((d * pair.weight).sum() / pair.weight.sum()) * HALF_MM for d in distances)
    return before, after


def structure_dice(network: FireNetwork, pair: Pair) -> float:
    prediction = network(pair.fixed, pair.moving, pair.displacement.shape[2:]).displacement
    return hard_dice(warp(pair.moving_segments, prediction)[0], pair.fixed_segments[0])


def predict_affine(network: FireNetwork, heads: HeadPair, device: torch.device) -> Tensor:
    """(B, 4, 4), one pass."""
    return network.affine(heads.fixed.to(device), heads.moving.to(device))[0].cpu()
