"""What `regexplain train CONFIG` and `evaluate CONFIG` read: one JSON file, paths relative to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..errors import BadInputError


@dataclass
class DataConfig:
    """Cases are images and segmentations of the same file name, the case number being the digits in it."""

    images: str
    segmentations: str
    first: int
    last: int
    held_out_every: int = 10  # every n-th case is not trained on, only looked at


@dataclass
class LossWeights:
    dice: float = 1.0
    similarity: float = 0.5
    smoothness: float = 0.1
    folding: float = 0.0
    read_out: float = 0.0  # the encoder's own segmentation of each volume
    latent: float = 0.0  # mean square of the encodings: what the decoder does not need is given up


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


@dataclass
class TrainingConfig:
    name: str
    data: DataConfig
    labels: list[int]
    canvas_size: list[int]  # x, y, z
    canvas_spacing_mm: list[float]
    network: dict
    output: str
    card: (
        dict  # what a reader must know and the files cannot tell: title, intended use, limits, data, licence, modality
    )
    steps: int = 6000
    batch: int = 2
    learning_rate: float = 1e-3
    seed: int = 0
    loss_cell: int = 2  # canvas voxels a cell of the grid on which the losses are taken, 1 or 2
    precision: str = "float32"  # or "bfloat16": mixed, on processors and GPUs that have it
    start_from: str = ""  # weights of an earlier run of the same network
    losses: LossWeights = field(default_factory=LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    folder: Path = Path()

    @classmethod
    def read(cls, path: str | Path) -> TrainingConfig:
        path = Path(path)
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            parts = {"data": DataConfig, "losses": LossWeights, "augmentation": Augmentation}
            values |= {key: part(**values[key]) for key, part in parts.items() if key in values}
            return cls(**values, folder=path.parent)
        except FileNotFoundError:
            raise BadInputError(f"There is no configuration file {path}.") from None
        except (json.JSONDecodeError, TypeError, UnicodeDecodeError) as error:
            known = ", ".join(f.name for f in fields(cls) if f.name != "folder")
            raise BadInputError(f"{path} is not a training configuration ({error}); its keys are {known}.") from error

    def path(self, relative: str) -> Path:
        """A path of the file, relative to the folder that the file is in."""
        return (self.folder / relative).resolve()
