"""Integrated gradients (Sundararajan et al. 2017), captum's: the voxels' shares in the scalar, beside that of black.

Both images come out of black (0: the darkest, and what lies outside) together; the two maps add up to the scalar of the
pair less that of two black images, as nearly as the number of steps allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....progress import Progress
from ..attribution import ImageAttribution
from ..target import Target


@dataclass(frozen=True)
class IntegratedGradients(ImageAttribution):
    steps: int = 32

    def images(self, target: Target, progress: Progress) -> list[Tensor]:
        from captum.attr import IntegratedGradients as Captum

        done = 0

        def scalar(fixed: Tensor, moving: Tensor) -> Tensor:
            nonlocal done
            done = min(done + 1, self.steps)
            progress.report("Integrating gradients", done, self.steps)
            return target.forward(fixed, moving)[0][None]

        volumes = target.fixed.detach(), target.moving.detach()
        with torch.enable_grad():
            attributions = Captum(scalar).attribute(
                volumes, n_steps=self.steps, internal_batch_size=1
            )  # one pair at a time
        return [share.detach()[0, 0].to(volumes[0].dtype) for share in attributions]


METHOD = IntegratedGradients()
