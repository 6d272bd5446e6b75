"""A network of `networks/fire.py` without modalities, trained on random contrasts of shapes, heads and visits."""

from __future__ import annotations

import torch

from .anatomies import Anatomy
from .any_contrast_pairs import between_subjects, random_shapes_of, same_subject
from .config import AnyContrastConfig
from .fields import bernoulli
from .pairs import Pair, stack_pairs
from .task import FireTask, Subjects, seeded_generator
from .visits import Visit


class AnyContrastTask(FireTask):
    config: AnyContrastConfig
    validation_pairs = 16  # the pairs differ more

    def _pair(self, subjects: Subjects, g: torch.Generator) -> Pair:
        config = self.config
        if bernoulli(g, config.between_subjects):
            return between_subjects(*subjects.two_heads(g), g, config.crop)
        if bernoulli(g, config.shapes):
            return same_subject(random_shapes_of(config.crop, g), g, config.crop)
        return same_subject(subjects.any(g), g, config.crop)

    def _same_subject_pair(self, k: int) -> Pair:
        """Of shapes that training never draws, and of visits and heads in turn."""
        subjects: list[Anatomy | Visit] = [*self.held_out.visits, *self.held_out.heads]
        g = seeded_generator(1, 0, k)
        subject = random_shapes_of(self.config.crop, g) if k % 2 else subjects[k // 2 % len(subjects)]
        return stack_pairs([same_subject(subject, g, self.config.crop)])

    def _between(self, k: int) -> Pair:
        heads = self.held_out.heads
        g = seeded_generator(2, 0, k)
        return stack_pairs([between_subjects(heads[k % len(heads)], heads[(k + 1) % len(heads)], g, self.config.crop)])
