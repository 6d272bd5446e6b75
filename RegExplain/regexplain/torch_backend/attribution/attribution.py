"""The base of all attribution methods. A method is a file in `methods/` and a line in `cards/heatmap_names.py`.

Maps are signed (plain Grad-CAM cuts at 0; negative says "held it back") and raw (no per-map scaling, so that maps of
two stages or directions can be compared).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...errors import BadInputError
from ...progress import Progress
from .modules import find_module, record_outputs, split_calls
from .target import Target

IMAGES = {"fixed": "fixed", "moving": "moving"}  # the stages of a method that explains the two images themselves


class StageMap(NamedTuple):
    """`values` (D, H, W) on the canvas; grid: the image that it explains, "fixed" or "moving"."""

    stage: str
    grid: str
    values: Tensor


class Attribution(ABC):
    """A method that attributes a scalar to activations or voxels."""

    @abstractmethod
    def maps(self, target: Target, stages: Sequence[str] = (), progress: Progress | None = None) -> list[StageMap]:
        """One a stage, all that there are by default. Raises BadInputError for a stage that there is not."""


class StageAttribution(Attribution):
    """From the activations of the network's stages and the gradients of the scalar, in one pass for all stages."""

    @abstractmethod
    def cells(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """(B, C, d, h, w) twice to (d, h, w): the sum over passes and channels of what each contributes."""

    def maps(self, target: Target, stages: Sequence[str] = (), progress: Progress | None = None) -> list[StageMap]:
        stages, grids, network = list(stages) or list(target.grids), target.grids, target.network
        paths = {s: path for s in stages if (path := find_module(s, network, grids)) is not None}
        stage_maps = []
        for stage, both in activations_and_gradients(target, stages, paths).items():
            names = {stage: grids[stage]} if stage in grids else network.stages_of_module(paths[stage], grids)
            shares = (split_calls(tensors, len(names)) for tensors in both)  # of activations, of gradients
            for (name, grid), a, g in zip(names.items(), *shares, strict=True):
                if stage in (name, paths.get(stage)):
                    cells = [self.cells(one.detach(), by)[None, None] for one, by in zip(a, g, strict=True)]
                    upsampled = [network.on_canvas(stage, each, target.fixed.shape[2:])[0, 0] for each in cells]
                    stage_maps.append(StageMap(name, grid, sum(upsampled[1:], start=upsampled[0])))
        return stage_maps


def activations_and_gradients(
    target: Target, stages: Sequence[str], paths: dict[str, str]
) -> dict[str, tuple[list[Tensor], list[Tensor]]]:
    """By stage: its activations, one a call, and the scalar's gradients by them. paths: of stages that are modules.

    Volumes with gradients may share a forward pass with other targets; a module is recorded in a pass of its own.
    """
    with torch.enable_grad(), record_outputs(target.network.root, paths.values()) as calls:
        volumes = (target.fixed, target.moving)
        value, named = target.forward(*(v if v.requires_grad and not paths else _leaf(v) for v in volumes))
        activations = {s: recorded_activations(paths[s], calls) if s in paths else [named[s]] for s in stages}
        flat = [a for several in activations.values() for a in several]
        gradient_list = iter(torch.autograd.grad(value, flat, allow_unused=True, retain_graph=True))
    gradients = {stage: [next(gradient_list) for _ in several] for stage, several in activations.items()}
    for stage, several in gradients.items():
        if any(gradient is None for gradient in several):  # a map of zeros would look like a result
            raise BadInputError(f"The stage {stage!r} has no part in what is explained; choose another.")
    return {stage: (activations[stage], gradients[stage]) for stage in activations}


def _leaf(volume: Tensor) -> Tensor:
    return volume.detach().requires_grad_()


def recorded_activations(path: str, calls: dict[str, list[Tensor]]) -> list[Tensor]:
    """The outputs of a module. Raises BadInputError where they are not feature volumes (B, C, d, h, w)."""
    if not calls[path] or not all(isinstance(call, Tensor) and call.dim() == 5 for call in calls[path]):
        raise BadInputError(
            f"The module {path!r} gives no single volume of features here; name one inside or beside it."
        )
    return calls[path]


class ImageAttribution(Attribution):
    """Of the voxels of the two images, by repeated passes of the network with perturbed images."""

    @abstractmethod
    def images(self, target: Target, progress: Progress) -> list[Tensor]:
        """The maps (D, H, W) of the fixed and of the moving volume."""

    def maps(self, target: Target, stages: Sequence[str] = (), progress: Progress | None = None) -> list[StageMap]:
        for stage in stages:
            if stage not in IMAGES:
                raise BadInputError(
                    f"There is no stage {stage!r}: this method explains the images {' and '.join(IMAGES)}."
                )
        both = dict(zip(IMAGES, self.images(target, progress or Progress()), strict=True))
        return [StageMap(stage, IMAGES[stage], both[stage]) for stage in stages or IMAGES]
