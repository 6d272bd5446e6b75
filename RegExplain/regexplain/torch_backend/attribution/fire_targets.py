"""What is asked of a FireNetwork, component by component: every stage has the scalar of its own component.

G, T   the motion of the region, mm; T's two directions each by itself, and its affine part by itself
F      how well the region's synthesised image agrees with the real one
D      how real the region's patches look, of the real image and of the synthesised one
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import SimpleITK as sitk
import torch
from torch import Tensor

from ...cards.stages import usual_scalar
from ...errors import BadInputError
from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from ..inference.alignment import landmark_grid
from ..inference.model import Model
from ..networks.fire import FireNetwork, half_way
from ..networks.latent import RegistrationOutput
from ..spatial.warp import identity, resized, warp
from .attribution import StageMap
from .resampling import Asked, in_place
from .target import Question, motion_question
from .scalars import EPS_MM, mean_logit, mean_over, synthesis_agreement

CLEAR = 0.9  # certainty
IMAGES = ("fixed", "moving")
Answered = Callable[[int, Sequence[Tensor]], tuple[Tensor, Tensor]]


@dataclass
class FirePair:
    """A registered pair on the canvas, and the region on either image of it. region: (D, H, W) in [0, 1], fixed's."""

    model: Model
    result: RegistrationResult
    canvas: Grid
    region: Tensor

    @cached_property
    def volumes(self) -> tuple[Tensor, Tensor]:
        """Fixed and moving; gradients flow back to them."""
        alignment = self.result.transform.alignment
        return (
            self.model.volume(self.result.fixed, self.canvas).requires_grad_(),
            self.model.volume(self.result.moving, self.canvas, alignment).requires_grad_(),
        )

    @property
    def network(self) -> FireNetwork:
        return self.model.network

    @cached_property
    @torch.enable_grad()
    def features(self) -> list[Tensor]:
        """G's of both images, with the way back to the volumes."""
        return self.network.encoder(torch.cat(self.volumes))

    @cached_property
    @torch.enable_grad()
    def seen(self) -> tuple[list[Tensor], RegistrationOutput]:
        """G's features, and the registration, with the way back to the volumes: one pass for all questions."""
        return self.features, self.network.registered(self.features, self.region.shape)

    def passed(self, volumes: Sequence[Tensor]) -> tuple[list[Tensor], RegistrationOutput]:
        """The same of any two volumes."""
        if torch.is_grad_enabled() and all(v is own for v, own in zip(volumes, self.volumes, strict=True)):
            return self.seen
        features = self.network.encoder(torch.cat(list(volumes)))
        return features, self.network.registered(features, volumes[0].shape[2:])

    @cached_property
    def judged(self) -> tuple[list[str], list[float]]:
        """What the fixed and the moving image are taken for, and with what certainty.

        The one of each that is likelier than the other way round, unless both look clearly like the same one.
        """
        with torch.no_grad():
            shares = self.network.modalities_of(torch.cat(self.volumes), self.features).double().cpu()
        names = self.network.modalities
        alike = shares.argmax(1)
        if alike[0] == alike[1] and shares.max(1).values.min() > CLEAR:
            return [names[int(alike[0])]] * 2, shares.max(1).values.tolist()
        orders = {(j, k): float(shares[0, j] * shares[1, k]) for j, k in permutations(range(len(names)), 2)}
        best = max(orders, key=lambda order: orders[order])
        return [names[k] for k in best], [orders[best] / sum(orders.values())] * 2

    @property
    def modalities(self) -> list[str]:
        return self.judged[0]

    @cached_property
    @torch.no_grad()
    def moving_region(self) -> Tensor:
        """The region carried to where its tissue lies in the moving image, on the canvas."""
        carried = warp(self.region[None, None], self.seen[1].inverse, padding="zeros")[0, 0]
        if float(carried.sum()) == 0:
            raise BadInputError(
                "The region's tissue lies outside the part of the moving image that the model sees; choose another "
                "region."
            )
        return carried

    def motion(self, scalar: str, region: Tensor, inverse: bool = False) -> Question:
        """Why the network moves a region (D, H, W) as it does."""
        spacing = self.canvas.spacing
        return motion_question(
            self.network, *self.volumes, scalar, region, spacing, inverse, lambda *v: self.passed(v)[1]
        )

    def questions(self, scalar: str) -> Iterator[Asked]:
        """All of them. scalar: of the motion, see `scalars.motion_scalar`."""
        yield self._motion(scalar, False, ["encoder-fixed", "encoder-moving", "transformation-forward"])
        yield self._motion(scalar, True, ["transformation-backward"])
        if not self.network.modalities:
            return
        yield self._affine()
        for k, image in enumerate(IMAGES):
            yield self._other(k, f"synthesis-{image}", self._agreement, "synthesis")
        for k, image in enumerate(IMAGES):
            yield self._other(k, f"discriminator-{image}", self._realness, "discriminators")
            yield self._other(k, f"discriminator-{image}-synthetic", self._synthetic_realness, "discriminators")

    def _placed(self, found: StageMap) -> sitk.Image:
        return in_place(found.values.cpu().float().numpy(), self.canvas, found.grid, self.result)

    def _motion(self, scalar: str, inverse: bool, stages: list[str]) -> Asked:
        def ask() -> Question:
            return self.motion(scalar, self.moving_region if inverse else self.region, inverse)

        return Asked(ask, self._placed_motion, scalar, stages, lambda: ("encoder", "transformation"))

    @torch.no_grad()
    def _placed_motion(self, found: StageMap) -> sitk.Image:
        """T works half the way between the two images; its maps are carried to the one that they explain."""
        if found.stage.startswith("transformation"):
            there, back = half_way(self.seen[1])
            half = resized(there if found.grid == "fixed" else back, found.values.shape)
            found = found._replace(values=warp(found.values[None, None], half)[0, 0])
        return self._placed(found)

    def _affine(self) -> Asked:
        """How far T's affine part moves the region, beyond laying the two images' tissue on each other."""
        images = {"fixed": self.result.fixed, "moving": self.result.moving}
        grids = {role: landmark_grid(self.model, image) for role, image in images.items()}
        extent = self.region.new_tensor(self.canvas.extent)
        points = identity(self.region.shape, self.region)[0] * extent / 2  # mm about fixed's tissue, as landmarks are

        def answer(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            matrix, stages = self.network.affine(fixed, moving)
            moved = points @ matrix[0, :3, :3].T + matrix[0, :3, 3]
            return mean_over(((moved - points).square().sum(3) + EPS_MM**2).sqrt(), self.region), stages

        def ask() -> Question:
            fixed, moving = (self.model.volume(images[role], grid) for role, grid in grids.items())
            return Question(self.network, fixed, moving, answer, stages)

        def place(found: StageMap) -> sitk.Image:
            cells = grids[found.grid].image(found.values.cpu().float().numpy())
            return Grid.of(images[found.grid]).sample(cells)

        stages = {"affine-fixed": "fixed", "affine-moving": "moving"}
        return Asked(ask, place, usual_scalar("affine"), list(stages), lambda: ("affine",))

    def _other(self, k: int, stage: str, answered: Answered, part: str) -> Asked:
        """Of image k (0: fixed), whose scalar is `answered(k, fixed, moving)`, beside its activation."""

        def answer(*volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            value, activation = answered(k, volumes)
            return value, {stage: activation}

        def ask() -> Question:
            return Question(self.network, *self.volumes, answer, {stage: IMAGES[k]})

        return Asked(ask, self._placed, usual_scalar(stage), [stage], lambda: (f"{part}.{self.modalities[k]}",))

    def _region_of(self, k: int) -> Tensor:
        return self.moving_region if k else self.region

    def _synthesised(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(image k of the pair made from the other one, F's activation)."""
        features, output = self.passed(volumes)
        source = features[-1].chunk(2)[1 - k]
        move = output.inverse if k else output.displacement
        return self.network.synthesised(source, self.modalities[k], move)

    def _agreement(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        image, activation = self._synthesised(k, volumes)
        return synthesis_agreement(image, volumes[k], self._region_of(k)), activation

    def _realness(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._judged(k, volumes[k])

    def _synthetic_realness(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._judged(k, self._synthesised(k, volumes)[0])

    def _judged(self, k: int, image: Tensor) -> tuple[Tensor, Tensor]:
        logits, activation = self.network.discriminators[self.modalities[k]](image)
        return mean_logit(logits, self._region_of(k)), activation
