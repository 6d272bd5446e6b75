"""The targets of a FireNetwork, component by component: every stage has the scalar of its own component.

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

from ...cards.stages import default_scalar
from ...errors import BadInputError
from ...results.registration_result import RegistrationResult
from ...volumes.geometry import Grid
from ..inference.alignment import landmark_grid
from ..inference.model import Model
from ..networks.fire import FireNetwork, midpoint_displacements
from ..networks.latent import RegistrationOutput
from ..spatial.warp import identity_grid, resize_displacement, warp
from .attribution import StageMap
from .resampling import PlacedTarget, resample_to_image
from .scalars import EPS_MM, mean_logit, mean_over, synthesis_agreement
from .target import Target, motion_target

CLEAR = 0.9  # certainty
IMAGES = ("fixed", "moving")
ScoreFunction = Callable[[int, Sequence[Tensor]], tuple[Tensor, Tensor]]


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
        """G's features of both images, with their graph back to the volumes."""
        return self.network.encoder(torch.cat(self.volumes))

    @cached_property
    @torch.enable_grad()
    def output(self) -> RegistrationOutput:
        """The registration, with its graph back to the volumes: one forward pass for all targets."""
        return self.network.register(self.features, self.region.shape)

    def run(self, volumes: Sequence[Tensor]) -> tuple[list[Tensor], RegistrationOutput]:
        """`features` and `output` of any two volumes."""
        if torch.is_grad_enabled() and all(v is original for v, original in zip(volumes, self.volumes, strict=True)):
            return self.features, self.output
        features = self.network.encoder(torch.cat(list(volumes)))
        return features, self.network.register(features, volumes[0].shape[2:])

    @cached_property
    def recognised_modalities(self) -> tuple[list[str], list[float]]:
        """The modalities of the fixed and the moving image as the network classifies them, and their probabilities.

        The likeliest pair of different modalities, unless both images clearly have the same one.
        """
        with torch.no_grad():
            shares = self.network.modality_probabilities(torch.cat(self.volumes), self.features).double().cpu()
        names = self.network.modalities
        strongest = shares.argmax(1)
        if strongest[0] == strongest[1] and shares.max(1).values.min() > CLEAR:
            return [names[int(strongest[0])]] * 2, shares.max(1).values.tolist()
        orders = {(j, k): float(shares[0, j] * shares[1, k]) for j, k in permutations(range(len(names)), 2)}
        best = max(orders, key=lambda order: orders[order])
        return [names[k] for k in best], [orders[best] / sum(orders.values())] * 2

    @property
    def modalities(self) -> list[str]:
        return self.recognised_modalities[0]

    @cached_property
    @torch.no_grad()
    def moving_region(self) -> Tensor:
        """The region warped to the moving image, on the canvas."""
        warped = warp(self.region[None, None], self.output.inverse, padding="zeros")[0, 0]
        if float(warped.sum()) == 0:
            raise BadInputError(
                "The region's tissue lies outside the part of the moving image that the model sees; choose another "
                "region."
            )
        return warped

    def motion(self, scalar: str, region: Tensor, inverse: bool = False) -> Target:
        """Why the network moves a region (D, H, W) as it does."""
        spacing = self.canvas.spacing
        return motion_target(self.network, *self.volumes, scalar, region, spacing, inverse, lambda *v: self.run(v)[1])

    def targets(self, scalar: str) -> Iterator[PlacedTarget]:
        """All targets. scalar: of the motion, see `scalars.motion_scalar`."""
        yield self._motion(scalar, False, ["encoder-fixed", "encoder-moving", "transformation-forward"])
        yield self._motion(scalar, True, ["transformation-backward"])
        if not self.network.modalities:
            return
        yield self._affine()
        for k, image in enumerate(IMAGES):
            yield self._image_target(k, f"synthesis-{image}", self._agreement, "synthesis")
        for k, image in enumerate(IMAGES):
            yield self._image_target(k, f"discriminator-{image}", self._realness, "discriminators")
            yield self._image_target(k, f"discriminator-{image}-synthetic", self._synthetic_realness, "discriminators")

    def _resample(self, stage_map: StageMap) -> sitk.Image:
        return resample_to_image(stage_map.values.cpu().float().numpy(), self.canvas, stage_map.grid, self.result)

    def _motion(self, scalar: str, inverse: bool, stages: list[str]) -> PlacedTarget:
        def make() -> Target:
            return self.motion(scalar, self.moving_region if inverse else self.region, inverse)

        parts = "encoder", "transformation"
        return PlacedTarget(make, self._resample_motion, scalar, stages, lambda: parts, self.network)

    @torch.no_grad()
    def _resample_motion(self, stage_map: StageMap) -> sitk.Image:
        """T works at the midpoint of the two images; its maps are warped to the image that they explain."""
        if stage_map.stage.startswith("transformation"):
            there, back = midpoint_displacements(self.output)
            half = resize_displacement(there if stage_map.grid == "fixed" else back, stage_map.values.shape)
            stage_map = stage_map._replace(values=warp(stage_map.values[None, None], half)[0, 0])
        return self._resample(stage_map)

    def _affine(self) -> PlacedTarget:
        """How far T's affine part moves the region, beyond laying the two images' tissue on each other."""
        images = {"fixed": self.result.fixed, "moving": self.result.moving}
        grids = {role: landmark_grid(self.model, image) for role, image in images.items()}
        extent = self.region.new_tensor(self.canvas.extent)
        points = (
            identity_grid(self.region.shape, self.region)[0] * extent / 2
        )  # mm about fixed's tissue, as landmarks are

        def forward(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            matrix, stages = self.network.affine(fixed, moving)
            moved = points @ matrix[0, :3, :3].T + matrix[0, :3, 3]
            return mean_over(((moved - points).square().sum(3) + EPS_MM**2).sqrt(), self.region), stages

        def make() -> Target:
            fixed, moving = (self.model.volume(images[role], grid) for role, grid in grids.items())
            return Target(self.network, fixed, moving, forward, stages)

        def place(stage_map: StageMap) -> sitk.Image:
            cells = grids[stage_map.grid].image(stage_map.values.cpu().float().numpy())
            return Grid.of(images[stage_map.grid]).resample(cells)

        stages = {"affine-fixed": "fixed", "affine-moving": "moving"}
        return PlacedTarget(make, place, default_scalar("affine"), list(stages), lambda: ("affine",), self.network)

    def _image_target(self, k: int, stage: str, score: ScoreFunction, part: str) -> PlacedTarget:
        """Of image k (0: fixed), whose scalar is `score(k, fixed, moving)`, beside its activation."""

        def forward(*volumes: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
            value, activation = score(k, volumes)
            return value, {stage: activation}

        def make() -> Target:
            return Target(self.network, *self.volumes, forward, {stage: IMAGES[k]})

        def modules() -> Sequence[str]:
            return (f"{part}.{self.modalities[k]}",)

        return PlacedTarget(make, self._resample, default_scalar(stage), [stage], modules, self.network)

    def _region_of(self, k: int) -> Tensor:
        return self.moving_region if k else self.region

    def _synthesise(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(image k of the pair made from the other one, F's activation)."""
        features, output = self.run(volumes)
        source = features[-1].chunk(2)[1 - k]
        move = output.inverse if k else output.displacement
        return self.network.synthesise(source, self.modalities[k], move)

    def _agreement(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        image, activation = self._synthesise(k, volumes)
        return synthesis_agreement(image, volumes[k], self._region_of(k)), activation

    def _realness(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._discriminate(k, volumes[k])

    def _synthetic_realness(self, k: int, volumes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self._discriminate(k, self._synthesise(k, volumes)[0])

    def _discriminate(self, k: int, image: Tensor) -> tuple[Tensor, Tensor]:
        logits, activation = self.network.discriminators[self.modalities[k]](image)
        return mean_logit(logits, self._region_of(k)), activation
