"""Training cases on the canvas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk
import torch
from torch import Tensor

from ....volumes.case_files import case_number, numbered_cases
from ....volumes.geometry import canvas_around, resample_to_canvas
from ....volumes.intensities import network_input
from .config import LatentConfig


@dataclass(eq=False)
class Case:
    """volume (1, D, H, W) in [0, 1]; segments (L, D, H, W) in [0, 1], one map a label, soft at the borders."""

    number: int
    volume: Tensor
    segments: Tensor


def case_files(config: LatentConfig) -> list[tuple[Path, Path]]:
    """(image, segmentation) of the configured cases, ascending."""
    data = config.data
    return numbered_cases(config.path(data.images), config.path(data.segmentations), data.first, data.last)


def read_case(config: LatentConfig, image_file: Path, segmentation_file: Path) -> Case:
    image = sitk.ReadImage(str(image_file), sitk.sitkFloat32)
    labels = sitk.ReadImage(str(segmentation_file), sitk.sitkUInt8)
    canvas = canvas_around(image, config.canvas_size, config.canvas_spacing_mm)
    labels.CopyInformation(image)
    maps = [torch.from_numpy(resample_to_canvas(labels == label, canvas)) for label in config.labels]
    return Case(case_number(image_file), torch.from_numpy(network_input(image, canvas))[None], torch.stack(maps))


def split(config: LatentConfig) -> tuple[list[Case], list[Case]]:
    """(trained on, held out)."""
    cases = [read_case(config, *files) for files in case_files(config)]
    every, apart = config.data.held_out_every, config.data.held_out_apart
    held_out = cases[every - 1 :: every] if every else []
    numbers = {case.number + near for case in held_out for near in range(-apart, apart + 1)}
    return [case for case in cases if case.number not in numbers], held_out
