"""A network of another framework as one of ours: asked as its card says, explained at any of its modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...cards import external
from ...cards.registry import ModelCard
from ...errors import BadInputError, device_error
from ..networks.latent import RegistrationNetwork, RegistrationOutput
from ..spatial.transformation import exponentiate_velocity
from ..spatial.warp import compose, resize, resize_displacement
from .calls import call
from .cells import measured_cells
from .construction import construct, fill, read_safetensors
from .convention import Convention


class OneWayOutput(RegistrationOutput):
    """Of a network that answers for one direction: the inverse is its answer the other way round, when it is wanted.

    `raw`: a velocity (canvas voxels, half the resolution) before the answer; 0 until it is refined.
    """

    def __init__(self, displacement: Tensor, backward: Callable[[], Tensor]):
        half = [max(1, n // 2) for n in displacement.shape[2:]]
        self.displacement, self._backward = displacement, backward
        self.raw = displacement.new_zeros(len(displacement), 3, *half)
        self.stages, self.disagreement, self.predictions = {}, None, []

    @cached_property
    def inverse(self) -> Tensor:  # type: ignore[override]
        return self._backward()


class ExternalNetwork(RegistrationNetwork):
    """network: the foreign one; name: what messages call it; stages: as on a card.

    It sees both images at once, so its `encoder` encodes nothing: the features of an image are the image.
    """

    read_out = None

    def __init__(self, network: nn.Module, convention: Convention, stages: Mapping[str, Mapping[str, str]], name: str):
        super().__init__()
        self.network, self.convention, self.name = network, convention, name
        self.stages = {stage: place["image"] for stage, place in stages.items()}
        self.module_paths = {stage: place["module"] for stage, place in stages.items()}
        self._cells = {name: place["cells"] for stage, place in stages.items() for name in (stage, place["module"])}

    @classmethod
    def load(cls, card: ModelCard, weights: Path) -> ExternalNetwork:
        """Raises BadInputError."""
        values = card.values["network"]
        network = construct(values)
        fill(network, read_safetensors(weights), card.name)
        return cls.of(card, network)

    @classmethod
    def of(cls, card: ModelCard, network: nn.Module) -> ExternalNetwork:
        values = card.values["network"]
        spacing = card.values["canvas"].get("spacing_mm")
        convention = Convention.of(external.convention(values), spacing)
        if convention.units == "mm" and spacing is None:
            raise BadInputError("The card's 'units' are mm, so its canvas needs a spacing (spacing_mm).")
        return cls(network, convention, external.stages(values), card.name)

    def encoder(self, volumes: Tensor) -> list[Tensor]:
        return [volumes]

    def register(self, features: Sequence[Tensor], shape) -> RegistrationOutput:
        fixed, moving = features[0].chunk(2)
        displacement = resize_displacement(self.displacement(fixed, moving), shape)
        return OneWayOutput(displacement, lambda: resize_displacement(self.displacement(moving, fixed), shape))

    def displacement(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """(1, 3, D, H, W) canvas voxels, x, y, z. Raises BadInputError for an answer that is none."""
        return self.convention.displacement(self.field(fixed, moving))

    def field(self, fixed: Tensor, moving: Tensor) -> Tensor:
        """The network's answer as it is, (1, 3, D, H, W) in its own axes. Raises BadInputError."""
        images = {"fixed": self.convention.to_network(fixed), "moving": self.convention.to_network(moving)}
        first, second = (images[role] for role in self.convention.order.split("-"))
        try:
            field = call(self.convention.call)(self.root, first, second)
        except BadInputError:
            raise
        except Exception as error:  # whatever happens inside another program's network
            raise self._failed(error) from error
        if not isinstance(field, Tensor) or field.shape != (len(first), 3, *first.shape[2:]):
            answer = tuple(field.shape) if isinstance(field, Tensor) else type(field).__name__
            raise BadInputError(
                f"The network {self.name} answers with {answer} where a displacement is "
                f"{(len(first), 3, *first.shape[2:])}; check the class, the call and the canvas on its card."
            )
        if not field.isfinite().all():
            raise BadInputError(
                f"The answer of the network {self.name} holds values that are no numbers (NaN or infinite); check the "
                "intensities on its card, and its weights."
            )
        return field.float()

    def _failed(self, error: Exception) -> Exception:
        message = str(error).lower()
        if not torch.cuda.is_available() and ("cuda" in message or "nvidia" in message):
            return BadInputError(
                f"The network {self.name} computes on a graphics card alone, and there is none here that torch can "
                "use; run it on a computer that has one."
            )
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        return device_error(error) or BadInputError(
            f"The network {self.name} failed on these images ({first}); check the call and the canvas on its card: "
            "many networks need sizes that 16 or 32 divides."
        )

    @property
    def root(self) -> nn.Module:
        return self.network

    @property
    def parts(self) -> list[str]:
        return [name for name, _ in self.root.named_children()]

    def stages_of_module(self, path: str, stages: Mapping[str, str]) -> dict[str, str]:
        """Every module's map lies on the fixed image, as the answer does, unless a stage of the card says otherwise."""
        images = (self.stages[stage] for stage, module in self.module_paths.items() if module == path)
        return {path: next(images, "fixed")}

    def on_canvas(self, stage: str, cells: Tensor, shape) -> Tensor:
        """As the card says where the cells lie; of a module that it does not name, as measured on a synthetic image."""
        if stage not in self._cells:
            self._cells[stage] = measured_cells(self, stage, cells.new_zeros(1, 1, *shape))
        return from_corners(cells, shape) if self._cells[stage] == "corners" else resize(cells, shape)

    def refined(self, output: RegistrationOutput, raw: Tensor, shape, cell: int = 2) -> RegistrationOutput:
        """The answer after the motion of the velocity `raw`; the inverse the other way round."""
        small = partial(resize_displacement, shape=raw.shape[2:])
        there, back = exponentiate_velocity(raw, cell)
        forward, backward = compose(small(output.displacement), there), compose(back, small(output.inverse))
        return RegistrationOutput(resize_displacement(forward, shape), resize_displacement(backward, shape), raw)


def from_corners(cells: Tensor, shape) -> Tensor:
    """Cells (B, C, d, h, w) of strided convolutions of odd kernels: cell i lies on voxel i · s, s a power of two."""
    coordinates = []
    for n, count in zip(shape, cells.shape[2:], strict=True):
        step = 2 ** round(torch.log2(torch.tensor(n / count)).item())
        centres = torch.arange(n, dtype=cells.dtype, device=cells.device) / step
        coordinates.append((2 * centres + 1) / count - 1)
    z, y, x = torch.meshgrid(*coordinates, indexing="ij")
    return F.grid_sample(cells, torch.stack([x, y, z], -1)[None], padding_mode="border", align_corners=False)
