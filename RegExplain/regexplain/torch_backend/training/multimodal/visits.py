"""Real visits: a T1 and a FLAIR of one head, aligned with each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ....transforms.alignment import mutual_information
from ....volumes.geometry import Grid, antialias, canvas_around, resample_to_canvas
from ....volumes.images import read_volume
from ....volumes.intensities import network_input, robust_rescale
from .anatomies import CELL_MM

COARSE_MM = 2.0  # what the two are registered at
AIR = 0.05  # of the T1's brightest; below it and connected with the border is no head


@dataclass(eq=False)
class Visit:
    """volumes (2, D, H, W) in [0, 1], T1 then FLAIR, on cells of 2 mm along the T1's own axes nearest to L, P, S.

    head (D, H, W) bool: where there is tissue, in both images' fields of view; sizes are even. cells (N, 3): its cells,
    (x, y, z); centre: their middle.
    """

    volumes: Tensor
    head: Tensor
    cells: Tensor = field(init=False)
    centre: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.cells = self.head.nonzero().flip(1)
        self.centre = self.cells.float().mean(0)


def read_visit(t1_file: str | Path, flair_file: str | Path) -> Visit:
    t1, flair = read_volume(t1_file, "T1"), read_volume(flair_file, "FLAIR")
    size = [2 * int(np.ceil(n * s / CELL_MM / 2)) for n, s in zip(t1.GetSize(), t1.GetSpacing(), strict=True)]
    canvas = canvas_around(t1, size, [CELL_MM] * 3)
    alignment = rigidly_registered(t1, flair)
    first = network_input(t1, canvas, scaling=robust_rescale)
    second = network_input(flair, canvas, alignment, scaling=robust_rescale)
    field_of_view = resample_to_canvas(sitk.Cast(flair * 0 + 1, sitk.sitkFloat32), canvas, alignment) > 0.5
    head = sitk.BinaryMorphologicalClosing(sitk.GetImageFromArray((first > AIR).astype(np.uint8)), [3] * 3)
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(head)) > 0
    return Visit(torch.from_numpy(np.stack([first, second])), torch.from_numpy(filled & field_of_view))


def rigidly_registered(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    """Fixed to moving points, LPS mm, by mutual information from where the headers lay the two; always the same."""
    method = mutual_information([2, 1], [1, 0])
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 150, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetNumberOfThreads(1)  # the same sums in the same order
    coarse = [_coarse(image) for image in (fixed, moving)]
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(tuple(Grid.of(coarse[0]).centre))
    method.SetInitialTransform(rigid, inPlace=True)
    method.Execute(coarse[0], coarse[1])
    return rigid


def _coarse(image: sitk.Image) -> sitk.Image:
    size = [max(8, int(n * s / COARSE_MM)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    grid = canvas_around(image, size, [COARSE_MM] * 3)
    return grid.resample(antialias(sitk.Cast(image, sitk.sitkFloat32), grid.spacing))
