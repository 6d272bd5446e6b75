"""The configuration of a network of `networks/fire.py`, trained on synthetic and real pairs of T1 and FLAIR."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config import TrainingConfig


@dataclass
class Sources:
    """Label maps `head_NN.nii.gz` by number; visits by how the names of their two files begin, in the folder `visits`:
    "patient01/visit1_" stands for patient01/visit1_T1.nii.gz and patient01/visit1_FLAIR.nii.gz."""

    label_maps: str
    trained_heads: list[int]
    held_out_heads: list[int]
    visits: str = ""
    trained_visits: list[str] = field(default_factory=list)
    held_out_visits: list[str] = field(default_factory=list)


@dataclass
class LossWeights:
    """0 leaves a loss out; those of whole parts of the network then cost nothing either. Lengths in mm."""

    affine: float = 0.0  # of the landmarks of whole heads, mm
    known: float = 0.0  # error where the motion is known, mm
    on_the_way: float = 0.0  # the same of T's velocity after each of its iterations, mm
    overlap: float = 0.0
    smoothness: float = 0.0
    disagreement: float = 0.0  # of T's two orders, mm of velocity
    inverse_consistency: float = 0.0  # the same of displacements, as the papers have it
    read_out: float = 0.0
    modality: float = 0.0
    alignment: float = 0.0
    accuracy: float = 0.0
    feature: float = 0.0
    cycle: float = 0.0
    generator: float = 0.0
    discriminator: float = 0.0

    @property
    def of_pairs(self) -> bool:
        """Whether any but the landmarks' counts."""
        return any(weight for name, weight in vars(self).items() if name != "affine")


@dataclass(kw_only=True)
class FireConfig(TrainingConfig):
    PARTS = {"data": Sources, "losses": LossWeights}

    data: Sources
    losses: LossWeights = field(default_factory=LossWeights)
    crop: list[int] = field(default_factory=lambda: [64, 80, 64])  # x, y, z; voxels of the canvas
    between_subjects: float = 0.4  # share of the pairs
    synthesise_every: int = 4  # steps; F, D and their losses cost as much as all the rest


@dataclass(kw_only=True)
class AnyContrastConfig(FireConfig):
    """Of pairs of one subject, `shapes` is the share of those that are made of no anatomy; the rest are of heads and,
    with their intensities changed, of visits. `between_subjects` as above."""

    shapes: float = 0.6
