"""What is asked of a FireNetwork, component by component: every stage has the scalar of its own component.

G, T   the motion of the region, mm; T's two directions each by itself, and its affine part by itself
F      how well the region's synthesised image agrees with the real one
D      how real the region's patches look, of the real image and of the synthesised one
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import SimpleITK as sitk
import torch
from torch import Tensor

from ..geometry import Grid
from ..inference.alignment import landmark_grid
from ..inference.model import Model
from ..networks.fire import FireNetwork
from ..networks.latent import RegistrationOutput
from ..results.registration_result import RegistrationResult
from ..spatial.transformation import velocity
from ..spatial.warp import identity, resized, warp
from .attribution import StageMap
from .placing import Asked, in_place
from .question import Question, motion_question
from .scalars import EPS_MM, mean_logit, mean_over, synthesis_agreement

IMAGES = ("fixed", "moving")
Answer = Callable[[Tensor, Tensor], tuple[Tensor, Mapping[str, Tensor]]]


@dataclass
class FirePair:
    """A registered pair on the canvas, and the region on either image of it. region: (D, H, W) in [0, 1], fixed's."""

    model: Model
    result: RegistrationResult
    canvas: Grid
    region: Tensor

    @cached_property
    def volumes(self) -> tuple[Tensor, Tensor]:
        alignment = self.result.transform.alignment
        return (
            self.model.volume(self.result.fixed, self.canvas),
            self.model.volume(self.result.moving, self.canvas, alignment),
        )

    @property
    def network(self) -> FireNetwork:
        return self.model.network

    @cached_property
    def seen(self) -> tuple[list[Tensor], RegistrationOutput]:
        """G's features of both, and the registration."""
        with torch.no_grad():
            features = self.network.encoder(torch.cat(self.volumes))
            return features, self.network.registered(features, self.volumes[0].shape[2:])

    @cached_property
    def modalities(self) -> list[str]:
        """What G takes the fixed and the moving image for."""
        logits = self.network.modality_logits(self.seen[0])
        return [self.network.modalities[int(k)] for k in logits.argmax(1)]

    @cached_property
    def moving_region(self) -> Tensor:
        """The region carried to where its tissue lies in the moving image, on the canvas."""
        return warp(self.region[None, None], self.seen[1].inverse, padding="zeros")[0, 0]

    def questions(self, scalar: str) -> Iterator[Asked]:
        """All of them. scalar: of the motion, see `scalars.motion_scalar`."""
        yield self._motion(scalar, False, ["encoder-fixed", "encoder-moving", "transformation-forward"])
        yield self._motion(scalar, True, ["transformation-backward"])
        yield self._affine()
        for k, image in enumerate(IMAGES):
            for synthetic in (False, True):
                stage = f"discriminator-{image}" + "-synthetic" * synthetic
                yield self._other(stage, image, self._realness(k, synthetic), "realness")
            yield self._other(f"synthesis-{image}", image, self._agreement(k), "synthesis")

    def _placed(self, found: StageMap) -> sitk.Image:
        return in_place(found.values.cpu().float().numpy(), self.canvas, found.grid, self.result)

    def _motion(self, scalar: str, inverse: bool, stages: list[str]) -> Asked:
        region = self.moving_region if inverse else self.region
        question = motion_question(self.network, *self.volumes, scalar, region, self.canvas.spacing, inverse)
        return Asked(question, self._placed_motion, scalar, stages)

    def _placed_motion(self, found: StageMap) -> sitk.Image:
        """T works half the way between the two images; its maps are carried to the one that they explain."""
        if found.stage.startswith("transformation"):
            there, back = velocity(self.seen[1].raw / 2, 2)
            half = resized(there if found.grid == "fixed" else back, found.values.shape)
            found = found._replace(values=warp(found.values[None, None], half)[0, 0])
        return self._placed(found)

    def _affine(self) -> Asked:
        """How far T's affine part moves the region, beyond laying the two images' tissue on each other."""
        grids = {"fixed": landmark_grid(self.model, self.result.fixed)}
        grids["moving"] = landmark_grid(self.model, self.result.moving)
        volumes = [self.model.volume(image, grids[role]) for role, image in self._images.items()]
        region = torch.from_numpy(
            sitk.GetArrayFromImage(grids["fixed"].sample(self.canvas.image(self.region.cpu().numpy())))
        ).to(volumes[0])
        size = self.network.affine.size * self.network.affine.spacing_mm
        points = identity(region.shape, region)[0] * size / 2

        def answer(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            matrix, stages = self.network.affine(fixed, moving)
            moved = points @ matrix[0, :3, :3].T + matrix[0, :3, 3]
            return mean_over(((moved - points).square().sum(3) + EPS_MM**2).sqrt(), region), stages

        def place(found: StageMap) -> sitk.Image:
            cells = grids[found.grid].image(found.values.cpu().float().numpy())
            return Grid.of(self._images[found.grid]).sample(cells)

        stages = {"affine-fixed": "fixed", "affine-moving": "moving"}
        return Asked(Question(self.network, volumes[0], volumes[1], answer, stages), place, "magnitude", list(stages))

    @property
    def _images(self) -> dict[str, sitk.Image]:
        return {"fixed": self.result.fixed, "moving": self.result.moving}

    def _other(self, stage: str, image: str, answer: Answer, scalar: str) -> Asked:
        return Asked(Question(self.network, *self.volumes, answer, {stage: image}), self._placed, scalar, [stage])

    def _synthesised(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(image k of the pair made from the other one, F's activation)."""
        features = self.network.encoder(torch.cat(list(volumes)))
        output = self.network.registered(features, volumes[0].shape[2:])
        source = features[-1].chunk(2)[1 - k]
        move = output.inverse if k else output.displacement
        return self.network.synthesised(source, self.modalities[k], move)

    def _agreement(self, k: int) -> Answer:
        region = (self.region, self.moving_region)[k]

        def answer(*volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            image, activation = self._synthesised(k, volumes)
            return synthesis_agreement(image, volumes[k], region), {f"synthesis-{IMAGES[k]}": activation}

        return answer

    def _realness(self, k: int, synthetic: bool) -> Answer:
        region = (self.region, self.moving_region)[k]

        def answer(*volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            image = self._synthesised(k, volumes)[0] if synthetic else volumes[k]
            logits, activation = self.network.discriminators[self.modalities[k]](image)
            stage = f"discriminator-{IMAGES[k]}" + "-synthetic" * synthetic
            return mean_logit(logits, region), {stage: activation}

        return answer
