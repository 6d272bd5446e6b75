"""Refining one pair coarse to fine: on the network's canvas, then on finer ones over the same box.

Each begins with the velocity of the one before it. The finest has the fixed image's own voxels, or as fine ones as
MAX_VOXELS allow.
"""

from __future__ import annotations

import SimpleITK as sitk
import torch
from torch import Tensor

from ...landmarks.pairs import LandmarkPairs
from ...progress import Progress
from ...volumes.geometry import Grid, as_closest_lps, centred_grid
from ..losses.landmarks import LandmarkLoss
from ..networks.latent import RegistrationOutput
from .masks import Masks, masks_on
from .model import EncodedImage, Model
from .refinement import refine_pair

MAX_VOXELS = 10_000_000  # of a canvas: a step takes seconds, and 1.5 GB
MIN_FINER = 1.25  # times as fine along one axis: by less, nothing is gained


def refine_coarse_to_fine(
    model: Model,
    images: tuple[sitk.Image, sitk.Image],
    alignment: sitk.Transform,
    encoded: EncodedImage,
    moving: Tensor,
    output: RegistrationOutput,
    steps: int,
    masks: Masks,
    progress: Progress | None,
    landmarks: LandmarkPairs | None = None,
) -> tuple[RegistrationOutput, Grid]:
    """(the output, the canvas on which it is) after `steps` on the network's canvas and half as many on each finer one.

    images: fixed and moving. encoded, moving, output: of fixed, of moving and of both, on the network's canvas. masks:
    of fixed and of moving, each on its image's grid. Finer canvases are those of models whose canvas fits the pair.
    """
    grids = [encoded.canvas]
    if model.card.canvas_fits_pair:
        grids += finer_canvases(encoded.canvas, Grid.of(images[0]))
    counts = [steps, *[steps // 2] * (len(grids) - 1)]
    for k, (grid, count) in enumerate(zip(grids, counts, strict=True)):
        if k:
            moving = model.volume(images[1], grid, alignment)
        mask = masks_on(grid, masks, alignment)
        output = refine_pair(
            model.network,
            model.volume(images[0], grid) if k else encoded.volume,
            moving,
            count,
            progress=progress and Part(progress, sum(counts[:k]), sum(counts)),
            mask=None if mask is None else mask.to(moving.device),
            landmarks=None if landmarks is None else LandmarkLoss.on_canvas(landmarks, alignment, grid),
            start=output,
        )
    return output, grids[-1]


class Part(Progress):
    """Of a longer job: `done` of `total` lie behind it."""

    def __init__(self, whole: Progress, done: int, total: int):
        self.whole, self.done, self.total = whole, done, total

    def report(self, stage, done, total, numbers=None) -> None:
        self.whole.report(stage, self.done + done, self.total, numbers)


def finer_canvases(canvas: Grid, fixed: Grid, max_voxels: int = MAX_VOXELS) -> list[Grid]:
    """Over the box of `canvas`, each twice as fine as the one before along every axis, but no finer than the fixed
    image's voxels, nor than leaves `max_voxels`. 4 divides the sizes."""
    least = torch.tensor(as_closest_lps(fixed).spacing)
    extent, found = torch.tensor(canvas.extent), list[Grid]()
    last = torch.tensor(canvas.spacing)
    while True:
        spacing = torch.maximum(last / 2, torch.minimum(least, last))
        spacing = spacing * max(1.0, float((extent / spacing).prod() / max_voxels)) ** (1 / 3)
        if float((last / spacing).max()) < MIN_FINER:
            return found
        size = 4 * (extent / spacing / 4).round().int().clamp_min(1)
        last = extent / size
        found.append(centred_grid(canvas.centre, tuple(size.tolist()), tuple(last.tolist()), canvas.direction))
