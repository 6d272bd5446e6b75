"""Occlusion (Zeiler & Fergus 2014): how much of the scalar is lost when a cube of one image is made black.

Black (0) is the darkest, and what lies outside. Cubes that are black already change nothing and are skipped.
It needs no gradients, and one pass of the network a cube. Unlike the others it does not vanish where both images are
the same: blackening one of them makes them different.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from ....progress import Progress
from ..attribution import ImageAttribution
from ..target import Target


@dataclass(frozen=True)
class Occlusion(ImageAttribution):
    """cube: its edge in canvas voxels; the cubes lie side by side."""

    cube: int = 8

    @torch.no_grad()
    def images(self, target: Target, progress: Progress) -> list[Tensor]:
        volumes = [target.fixed, target.moving]
        whole = target.forward(*volumes)[0]
        cubes = [(image, where) for image in (0, 1) for where in self._cubes(volumes[image])]
        maps = [torch.zeros_like(volume[0, 0]) for volume in volumes]
        for number, (image, where) in enumerate(cubes, start=1):
            changed = list(volumes)
            changed[image] = volumes[image].clone()
            changed[image][0, 0][where] = 0
            maps[image][where] = whole - target.forward(*changed)[0]
            progress.report("Occluding", number, len(cubes))
        return maps

    def _cubes(self, volume: Tensor) -> list[tuple[slice, ...]]:
        """Those of a volume (1, 1, D, H, W) that are not all black."""
        starts = product(*(range(0, n, self.cube) for n in volume.shape[2:]))
        all_of_them = [tuple(slice(s, s + self.cube) for s in start) for start in starts]
        return [where for where in all_of_them if volume[0, 0][where].any()]


METHOD = Occlusion()
