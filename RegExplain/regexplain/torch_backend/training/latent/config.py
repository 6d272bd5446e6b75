"""The configuration of a network of `networks/latent.py`, trained on pairs of different subjects."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config import TrainingConfig


@dataclass
class DataConfig:
    """Cases are images and segmentations of the same file name, the case number being the digits in it."""

    images: str
    segmentations: str
    first: int
    last: int
    held_out_every: int = 10  # every n-th case is not trained on, only validated on
    held_out_apart: int = (
        0  # cases whose number is this near to a held-out one are not used either: perhaps the same head
    )


@dataclass
class LossWeights:
    dice: float = 1.0
    similarity: float = 0.5
    smoothness: float = 0.1
    folding: float = 0.0
    read_out: float = 0.0  # the encoder's own segmentation of each volume
    latent: float = 0.0  # mean square of the encodings: what the decoder does not need is given up

    @property
    def registering(self) -> bool:
        """Whether anything but the encoder's own segmentation is trained."""
        return any((self.dice, self.similarity, self.smoothness, self.folding, self.latent))


@dataclass
class Augmentation:
    """Standard deviations of what each training volume gets on its own: an affine, a smooth bending, a contrast."""

    rotation_deg: float = 5.0
    translation_vox: float = 2.0
    log_zoom: float = 0.06
    log_reach: float = 0.0  # of each volume's own factor on the three above: a heavy tail of large motions
    bending_vox: float = 0.0  # at knots 8 voxels apart
    log_gamma: float = 0.15
    log_bias: float = 0.0  # of a smooth factor on the intensities, at knots 16 voxels apart
    noise: float = 0.0  # of each volume's own noise level, in intensities of [0, 1]
    low_resolution: float = 0.0  # share of the volumes that are downsampled by 1 to 2, and upsampled again (nnU-Net)
    mirrored: float = 0.0  # share of the volumes that are mirrored, left to right


@dataclass(kw_only=True)
class LatentConfig(TrainingConfig):
    PARTS = {"data": DataConfig, "losses": LossWeights, "augmentation": Augmentation}

    data: DataConfig
    labels: list[int]
    loss_cell: int = 2  # canvas voxels a cell of the grid on which the losses are taken, 1 or 2
    losses: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
