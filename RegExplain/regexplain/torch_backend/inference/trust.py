"""The three indicators of a FireNetwork's registration, measured on the canvas (defined in docs/explanations.md).

They are computed from the prediction of the network; optimising a pair (`--refine`) does not change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import BadInputError
from ...results.registration_result import RegistrationResult
from ...results.trust import KEYS, Indicator, Modality, Trust, TrustMap, describe_position
from ...volumes.intensities import TISSUE_THRESHOLD
from ..attribution.fire_targets import IMAGES, FirePair
from ..attribution.methods import attribution_method
from ..attribution.resampling import resample_to_image
from ..attribution.scalars import mean_over, millimetres
from ..networks.fire import midpoint_displacements
from ..spatial.warp import resize, resize_displacement, warp
from .model import Model

Measure = tuple[float | None, float | None, float | None, str]  # value, 95th percentile, worst, its place in words


def measure_trust(model: Model, result: RegistrationResult) -> Trust:
    """model: of a FireNetwork, the one that made the result."""
    canvas = model.canvas(result.fixed)
    region = head_mask(model.volume(result.fixed, canvas))
    found = Indicators(FirePair(model, result, canvas, region))
    reference = model.card.values.get("ordinary") or {}
    measures = [found.symmetry(), found.complementarity(), found.homogeneity()]
    indicators = [
        Indicator(name, *measure, reference=reference.get(key))
        for (name, key), measure in zip(KEYS.items(), measures, strict=True)
    ]
    cells = {"symmetry": found.symmetry_map} | {
        f"homogeneity-{image}": resize(gaps[None, None], region.shape)[0, 0]
        for image, gaps in zip(IMAGES, found.logit_differences, strict=True)
    }
    maps = []
    for name, values in cells.items():
        grid = "moving" if name.endswith("moving") else "fixed"
        maps.append(TrustMap(name, grid, resample_to_image(values.cpu().numpy(), canvas, grid, result)))
    return Trust(indicators, found.modalities, maps)


def head_mask(volume: Tensor) -> Tensor:
    """(D, H, W), 1 where a volume (1, 1, D, H, W) shows tissue. Raises BadInputError where it shows none."""
    found = (volume[0, 0] > TISSUE_THRESHOLD).float()
    if not found.any():
        raise BadInputError("The model sees nothing of the fixed image; check that it shows a head.")
    return found


@dataclass
class Indicators:
    """Of a pair whose region is the head."""

    pair: FirePair

    @cached_property
    @torch.no_grad()
    def symmetry_map(self) -> Tensor:
        """(D, H, W) mm on the fixed image's canvas: the disagreement of T's two orders, warped from the midpoint."""
        output, shape = self.pair.output, self.pair.region.shape
        assert output.disagreement is not None
        lengths = millimetres(output.disagreement, self.pair.canvas.spacing).norm(dim=0)
        half, _ = midpoint_displacements(output)
        return warp(resize(lengths[None, None], shape), resize_displacement(half, shape))[0, 0]

    def symmetry(self) -> Measure:
        inside = self.pair.region > 0.5
        lengths = torch.where(inside, self.symmetry_map, -1.0)
        worst = np.unravel_index(int(lengths.argmax()), lengths.shape)
        values = lengths[inside].double().cpu().numpy()
        return float(values.mean()), float(np.percentile(values, 95)), float(values.max()), self.place(0, worst)

    def complementarity(self) -> Measure:
        """Correlation of the sizes of G's two maps of the head's mean motion, the moving one warped to the fixed image.

        T is antisymmetric, so the signs of the two maps are opposite where they agree.
        """
        fixed, moving = (values.abs() for values in self.encoder_maps)
        inside = self.pair.region > 0.5
        return correlation(fixed[inside], moving[inside]), None, None, ""

    @cached_property
    def encoder_maps(self) -> tuple[Tensor, Tensor]:
        """(D, H, W) each, HiResCAM, both on the fixed image's canvas."""
        pair = self.pair
        target = pair.motion("magnitude", pair.region)
        fixed, moving = attribution_method("hirescam").maps(target, ["encoder-fixed", "encoder-moving"])
        with torch.no_grad():
            return fixed.values, warp(moving.values[None, None], pair.output.displacement)[0, 0]

    @cached_property
    @torch.no_grad()
    def logit_differences(self) -> list[Tensor]:
        """Of the fixed and the moving image: |D(real) − D(synthesised from the other)|, (d, h, w), a cell a patch."""
        pair, network = self.pair, self.pair.network
        features, output = pair.features, pair.output
        sources = features[-1].chunk(2)[::-1]
        moves = output.displacement, output.inverse
        gaps = []
        for real, source, move, modality in zip(pair.volumes, sources, moves, pair.modalities, strict=True):
            made, _ = network.synthesise(source, modality, move)
            discriminator = network.discriminators[modality]
            gaps.append((discriminator(real)[0] - discriminator(made)[0]).abs()[0, 0])
        return gaps

    def homogeneity(self) -> Measure:
        """Of both images together; places only where most of the patch is head."""
        found = []
        for region, gaps in zip((self.pair.region, self.pair.moving_region), self.logit_differences, strict=True):
            share = F.interpolate(region[None, None], gaps.shape, mode="area")[0, 0]
            inside = torch.where(share >= share.max() / 2, gaps, -1.0)
            found.append((float(mean_over(gaps, share)), inside))
        means, insides = zip(*found, strict=True)
        k = int(insides[1].max() > insides[0].max())
        patch = np.unravel_index(int(insides[k].argmax()), insides[k].shape)
        voxel = (np.array(patch) + 0.5) * self.pair.region.shape / insides[k].shape
        values = torch.cat([gaps[gaps >= 0] for gaps in insides]).double().cpu().numpy()
        return float(np.mean(means)), float(np.percentile(values, 95)), float(values.max()), self.place(k, voxel)

    @cached_property
    @torch.no_grad()
    def modalities(self) -> dict[str, Modality]:
        names, certainties = self.pair.recognised_modalities
        return {image: Modality(*one) for image, one in zip(IMAGES, zip(names, certainties, strict=True), strict=True)}

    def place(self, k: int, index) -> str:
        """The name of a voxel's place (z, y, x) on the canvas in image k: its structure as G segments it, or its
        direction.
        """
        return self._structure(k, index) or describe_position(self._position(k, index))

    def _structure(self, k: int, index) -> str:
        """Empty where it is none, or the model cannot name it."""
        names = self.pair.model.card.structures
        if self._segments is None or self._segments.shape[1] != len(names):
            return ""
        segments = self._segments[k]
        cell = (np.asarray(index, int) * segments.shape[1:] // self.pair.region.shape).tolist()
        likely = segments[:, cell[0], cell[1], cell[2]]
        return f"the {names[int(likely.argmax()) + 1]}" if float(likely.max()) > 0 else ""

    @cached_property
    @torch.no_grad()
    def _segments(self) -> Tensor | None:
        """(2, L, d, h, w) logits of the structures in both images; None where the network knows none."""
        return self.pair.network.segmentation_logits(self.pair.features)

    def _position(self, k: int, index) -> list[float]:
        """(L, P, S) from the middle of the head, ±1 at its borders."""
        region = ((self.pair.region, self.pair.moving_region)[k] > 0.5).cpu().numpy()
        position = []
        for axis in (2, 1, 0):
            there = np.flatnonzero(region.any(axis=tuple({0, 1, 2} - {axis})))
            low, high = there[[0, -1]]
            position.append(float((index[axis] - (low + high) / 2) / max((high - low) / 2, 1)))
        return position


def correlation(a: Tensor, b: Tensor) -> float | None:
    """Pearson's of two (N,) tensors; None where either is the same everywhere."""
    a, b = (v.double() - v.double().mean() for v in (a, b))
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 0 else None
