"""From our volumes to a foreign network's, and from the field that it answers with to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...cards.external import AXES, OPPOSITE


@dataclass(frozen=True)
class Convention:
    """As on a card, see cards/external.py. spacing: of the canvas, mm (x, y, z); for `units` "mm" alone."""

    call: str = "pair"
    order: str = "moving-fixed"
    gives: str = "displacement"
    units: str = "voxels"
    components: str = "array"
    axes: str = AXES
    spacing: tuple[float, float, float] | None = None

    @classmethod
    def of(cls, values: Mapping[str, str], spacing: Sequence[float] | None = None) -> Convention:
        return cls(**values, spacing=None if spacing is None else tuple(spacing))  # type: ignore[arg-type]

    @property
    def _axis_permutation(self) -> list[int]:
        """Which of our array axes (z, y, x) each of the network's is."""
        return [next(i for i, ours in enumerate(AXES) if letter in (ours, OPPOSITE[ours])) for letter in self.axes]

    @property
    def _flipped_axes(self) -> list[int]:
        """The network's array axes that point against ours."""
        return [axis for axis, letter in enumerate(self.axes) if letter not in AXES]

    def to_network(self, volume: Tensor) -> Tensor:
        """(B, 1, D, H, W), in the network's axes."""
        permuted = volume.permute(0, 1, *(2 + axis for axis in self._axis_permutation))
        return permuted.flip([2 + axis for axis in self._flipped_axes]).contiguous()

    def displacement(self, field: Tensor) -> Tensor:
        """A network's answer as our displacement: (B, 3, D, H, W), in voxels, components in the order x, y, z."""
        shape = field.shape[2:]
        if self.components == "reversed":
            field = field.flip(1)
        voxels = field * field.new_tensor(self._voxels_per_unit(shape)).view(1, 3, 1, 1, 1)
        if self.gives == "coordinates":
            if self.units == "normalised":
                voxels = voxels + field.new_tensor([(n - 1) / 2 for n in shape]).view(1, 3, 1, 1, 1)
            axes = [torch.arange(n, dtype=field.dtype, device=field.device) for n in shape]
            voxels = voxels - torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
        return self._from_network(voxels).flip(1)

    def _voxels_per_unit(self, shape) -> list[float]:
        if self.units == "mm":
            assert self.spacing is not None
            spacing = self.spacing[::-1]
            return [1 / spacing[axis] for axis in self._axis_permutation]
        return [{"voxels": 1.0, "unit": n - 1.0, "normalised": (n - 1) / 2}[self.units] for n in shape]

    def _from_network(self, voxels: Tensor) -> Tensor:
        """A displacement in the network's axes, channel i along array axis i, in ours: (z, y, x)."""
        signs = voxels.new_tensor([-1.0 if axis in self._flipped_axes else 1.0 for axis in range(3)]).view(
            1, 3, 1, 1, 1
        )
        field = (voxels * signs).flip([2 + axis for axis in self._flipped_axes])
        inverse = [self._axis_permutation.index(axis) for axis in range(3)]
        return field[:, inverse].permute(0, 1, *(2 + axis for axis in inverse))
