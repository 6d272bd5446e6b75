"""What every experiment works on: the cases, the two networks, and the folder that is being written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ...errors import BadInputError
from ...progress import Progress
from ...torch_backend.inference.model import Model
from ...volumes.case_files import case_number, numbered_cases
from ...volumes.geometry import Grid, resample_to_canvas
from ...volumes.images import read_segmentation, read_volume
from ...volumes.segmentations import labels_of
from ..sections import StudyOutput, centred_canvas

IMAGES, LABELS = "images", "labels"
TRAINING, VALIDATION = (1, 310), (311, 999)  # case numbers of the paper's protocol
BATCH = 8


@dataclass(frozen=True)
class Case:
    number: int
    image: sitk.Image
    labels: sitk.Image  # on the image's grid


@dataclass
class Study(StudyOutput):
    """plain: the network without skip connections. skip: the one with them. folder: where figures and tables go."""

    plain: Model
    skip: Model
    training: list[Case]
    validation: list[Case]
    folder: Path
    progress: Progress

    @property
    def models(self) -> dict[str, Model]:
        return {"without skips": self.plain, "with skips": self.skip}

    @property
    def canvas(self) -> Grid:
        """Of the network without skips."""
        return centred_canvas(self.plain.card.canvas_size, self.plain.card.canvas_spacing)

    @cached_property
    def labels(self) -> list[int]:
        """Of all cases, ascending."""
        return sorted({label for case in (*self.training, *self.validation) for label in labels_of(case.labels)})

    def segments(self, case: Case, pull_back: sitk.Transform | None = None) -> np.ndarray:
        """(L, D, H, W) in [0, 1], soft at the borders: a map a label, on the canvas of the network without skips."""
        canvas = self.plain.canvas(case.image)
        return np.stack([resample_to_canvas(case.labels == label, canvas, pull_back) for label in self.labels])


def read_cases(data: Path) -> tuple[list[Case], list[Case]]:
    """(training, validation) of a folder with `images` and `labels`. Raises BadInputError."""
    if not data.is_dir():
        raise BadInputError(f"There is no folder {data}; --data takes a folder with {IMAGES} and {LABELS}.")
    return _cases(data, "training", *TRAINING), _cases(data, "validation", *VALIDATION)


def _cases(data: Path, role: str, first: int, last: int) -> list[Case]:
    try:
        files = numbered_cases(data / IMAGES, data / LABELS, first, last)
    except BadInputError:
        files = []
    if len(files) < 2:
        raise BadInputError(
            f"{data} holds {len(files)} {role} cases, that is files of the same name in {IMAGES} and {LABELS} with a "
            f"number from {first} to {last}; at least 2 are needed."
        )
    return [_case(*pair) for pair in files]


def _case(image_file: Path, labels_file: Path) -> Case:
    number = case_number(image_file)
    image = read_volume(image_file, f"image of case {number}")
    return Case(number, image, read_segmentation(labels_file, image, f"segmentation of case {number}"))


@torch.inference_mode()
def encodings(model: Model, volumes: Iterable[Tensor]) -> np.ndarray:
    """(N, n), float64, of volumes (1, 1, D, H, W) that are each encoded alone."""
    return np.concatenate(
        [
            model.network.encode(torch.cat(list(batch))).flatten(1).double().cpu().numpy()
            for batch in batches(list(volumes), BATCH)
        ]
    )


def batches(items: Sequence, size: int) -> list[Sequence]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def volume(model: Model, case: Case, pull_back: sitk.Transform | None = None) -> Tensor:
    """(1, 1, D, H, W): the network's input of the case, moved by the inverse of `pull_back`."""
    return model.volume(case.image, model.canvas(case.image), pull_back)
