"""A latent slider: from coordinates along the components to what they move, many times a second on one processor core.

The result is the network's own D(z), with its exact antisymmetry (z = 0 moves nothing), and only the work that a slider
does not need is left out: the opposite direction, and any image. The convolutions run in the memory layout that suits
them and, where the processor gains by it, in bfloat16; velocities and their integration stay in float32, at half the
canvas' resolution. `benchmarks/live_decoder.py` measures frames a second and how far bfloat16 is off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor

from ...latent.components import LatentComponents
from ..networks.latent import Decoder
from ..spatial.transformation import FORWARD
from ..spatial.warp import resize_displacement, warp
from .model import Model

PRECISIONS = (torch.float32, torch.bfloat16)


class LiveDecoder:
    """Made once for a model; then each call is a frame. With skips, finer features differ by 0.

    components: by default the model's principal ones. precision: of the convolutions; by default the faster of float32
    and bfloat16 here, found by trying both (four decodings, about half a second). shape: the canvas, (D, H, W).
    """

    def __init__(self, model: Model, components: LatentComponents | None = None, precision: torch.dtype | None = None):
        components = components or model.components
        decoder = model.network.decoder
        width, height, depth = model.card.canvas_size
        self.shape = (depth, height, width)
        self._latent = (1, -1, *(n >> len(decoder.refine) for n in self.shape))
        self._directions = torch.from_numpy(components.basis * components.sd[:, None]).float().to(model.device)
        self._forward = FORWARD[decoder.integrate]
        candidates = [_fast(decoder, kind) for kind in ((precision,) if precision else PRECISIONS)]
        self._decoder = min(candidates, key=self._seconds) if len(candidates) > 1 else candidates[0]

    @property
    def precision(self) -> torch.dtype:
        return next(self._decoder.parameters()).dtype

    @torch.inference_mode()
    def displacement(self, coordinates: Sequence[float]) -> Tensor:
        """coordinates of the leading components, in standard deviations, to (1, 3, D, H, W) in canvas voxels, float32.

        Pull-back, components in the order x, y, z; `displacement_image` of inference/model.py makes it LPS mm.
        """
        return resize_displacement(self._forward(self._decoder(self._z(coordinates))[0], 2), self.shape)

    @torch.inference_mode()
    def warped(self, segmentation: Tensor, coordinates: Sequence[float]) -> Tensor:
        """A label map on the canvas, (D, H, W) of any type, under the displacement; nearest neighbour, 0 outside."""
        displacement = self.displacement(coordinates)
        moved = warp(segmentation.to(displacement)[None, None], displacement, mode="nearest", padding="zeros")
        return moved[0, 0].to(segmentation.dtype)

    def _z(self, coordinates: Sequence[float]) -> Tensor:
        """The latent difference, as the decoder's convolutions want it."""
        strengths = self._directions.new_tensor(list(coordinates))
        z = (strengths @ self._directions[: len(strengths)]).view(self._latent)
        return z.to(self.precision).contiguous(memory_format=torch.channels_last_3d)

    def _seconds(self, decoder: Decoder) -> float:
        """Of one decoding, the first left out."""
        self._decoder, seconds = decoder, 0.0
        for _ in range(2):
            began = time.perf_counter()
            self.displacement([1.0])
            seconds = time.perf_counter() - began
        return seconds


def _fast(decoder: Decoder, precision: torch.dtype) -> Decoder:
    fast = deepcopy(decoder).to(precision)
    return fast.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's own types lack it
