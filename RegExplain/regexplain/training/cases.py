"""Training cases on the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk
import torch
from torch import Tensor

from ..errors import BadInputError
from ..evaluation import case_number
from ..geometry import canvas_about, on_canvas
from ..intensities import normalised
from .config import TrainingConfig


@dataclass(eq=False)
class Case:
    """volume (1, D, H, W) in [0, 1]; segments (L, D, H, W) in [0, 1], one map a label, soft at the borders."""

    number: int
    volume: Tensor
    segments: Tensor


def case_files(config: TrainingConfig, first: int, last: int) -> list[tuple[int, Path, Path]]:
    """(number, image, segmentation) in ascending order, both ends included."""
    images, segmentations = config.path(config.data.images), config.path(config.data.segmentations)
    found = []
    for image in sorted(images.glob("*.nii.gz")):
        number = case_number(image)
        if first <= number <= last and (segmentations / image.name).exists():
            found.append((number, image, segmentations / image.name))
    if not found:
        raise BadInputError(f"No cases {first}–{last} in {images}; check `data` in the configuration.")
    return found


def read_case(config: TrainingConfig, number: int, image_file: Path, segmentation_file: Path) -> Case:
    image = sitk.ReadImage(str(image_file), sitk.sitkFloat32)
    labels = sitk.ReadImage(str(segmentation_file), sitk.sitkUInt8)
    canvas = canvas_about(image, config.canvas_size, config.canvas_spacing_mm)
    scaled = sitk.GetImageFromArray(normalised(sitk.GetArrayFromImage(image)))
    scaled.CopyInformation(image)
    labels.CopyInformation(image)
    maps = [torch.from_numpy(on_canvas(labels == label, canvas)) for label in config.labels]
    return Case(number, torch.from_numpy(on_canvas(scaled, canvas))[None], torch.stack(maps))


def split(config: TrainingConfig) -> tuple[list[Case], list[Case]]:
    """(trained on, held out)."""
    cases = [read_case(config, *files) for files in case_files(config, config.data.first, config.data.last)]
    every = config.data.held_out_every
    held_out = cases[every - 1 :: every] if every else []
    return [c for c in cases if c not in held_out], held_out
