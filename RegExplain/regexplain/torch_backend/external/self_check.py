"""Which convention a network's answers fit: it registers an image to its own copy, shifted by a known vector.

Where the card is right, the displacement of the tissue is everywhere that vector, or a good part of it. Where it is
wrong, the same answers read in another way are: the images in the other order, the components reversed, other units,
coordinates in place of displacements. An orientation (`axes`) cannot be told so: it moves the image and its copy alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from ...cards.external import CHOICES
from ...volumes.intensities import TISSUE_THRESHOLD
from ..spatial.warp import warp
from .convention import Convention
from .network import ExternalNetwork

SHIFT = (2.0, 2.5, -2.0)  # voxels (x, y, z) of a canvas of 64: reversed or negated it is far from itself
CANVAS = 64
MAX_ERROR = 0.75  # of the shift's length: an answer that is further off, as root mean square, is none
ERROR_TOLERANCE = 0.1  # … closer than the card's own: another convention has to be better than by chance
WORDS = {
    "order": "it takes the {} image first",
    "gives": "it gives {}",
    "units": "in units of {}",
    "components": "its components are in {} order",
}


@dataclass(frozen=True)
class SelfCheck:
    """shift_mm, answer_mm: (x, y, z) of the canvas, the mean answer as the best fitting convention reads it. error: how
    far that is from the shift, as a share of it, root mean square over the tissue; card_error: the same as the card
    reads it. changes: what the card should say."""

    shift_mm: tuple[float, ...]
    answer_mm: tuple[float, ...]
    error: float
    card_error: float
    changes: dict[str, str]

    @property
    def fits(self) -> bool:
        return self.card_error <= MAX_ERROR and not self.changes

    @property
    def message(self) -> str:
        """One sentence."""
        shift, answer = (" ".join(f"{v:+.1f}" for v in vector) for vector in (self.shift_mm, self.answer_mm))
        shifted_copy = f"its own copy shifted by ({shift}) mm"
        if self.fits:
            return f"The convention on the card fits: of {shifted_copy} the answer is ({answer}) mm."
        if self.changes:
            settings = ", ".join(f'"{key}": "{value}"' for key, value in self.changes.items())
            return (
                f"The convention on the card does not fit this network, but another one does ({self._reading()}): of "
                f"{shifted_copy} the answer is then ({answer}) mm; put {settings} on the card, or give it with --set."
            )
        return (
            f"No convention fits this network: of {shifted_copy} the nearest answer is ({answer}) mm; try an image of "
            "the kind that it was made for (--image), and check its weights, intensities and canvas."
        )

    def _reading(self) -> str:
        return ", ".join(WORDS[key].format(value.partition("-")[0]) for key, value in self.changes.items())


@torch.no_grad()
def self_check(network: ExternalNetwork, volume: Tensor, spacing) -> SelfCheck:
    """volume: (1, 1, D, H, W), as the network is given images; spacing: of its voxels, mm (x, y, z)."""
    shape = volume.shape[2:]
    shift = volume.new_tensor([s * n / CANVAS for s, n in zip(SHIFT, reversed(shape), strict=True)])
    moving = warp(volume, -shift.view(1, 3, 1, 1, 1).expand(1, 3, *shape), padding="zeros")
    inside = (volume[0, 0] > TISSUE_THRESHOLD) & (moving[0, 0] > TISSUE_THRESHOLD)
    convention, answers, errors = network.convention, {}, {}
    for order, readings in readings_by_order(replace(convention, spacing=tuple(spacing))):
        network.convention = replace(convention, order=order)
        try:
            field = network.field(volume, moving)
        finally:
            network.convention = convention
        for reading in readings:
            vectors = reading.displacement(field)[0][:, inside]
            answers[reading] = vectors.mean(1)
            errors[reading] = float((vectors - shift[:, None]).square().sum(0).mean().sqrt() / shift.norm())
    as_given = replace(convention, spacing=tuple(spacing))
    best = min(errors, key=lambda reading: errors[reading])
    if errors[as_given] <= errors[best] + ERROR_TOLERANCE or errors[best] > MAX_ERROR:
        changes, chosen = {}, as_given if errors[as_given] <= errors[best] + ERROR_TOLERANCE else best
    else:
        changes = {key: getattr(best, key) for key in CHOICES if getattr(best, key) != getattr(convention, key)}
        chosen = best
    scale = shift.new_tensor(spacing)
    shift_mm, answer_mm = (tuple((vector * scale).tolist()) for vector in (shift, answers[chosen]))
    return SelfCheck(shift_mm, answer_mm, errors[chosen], errors[as_given], changes)


def readings_by_order(convention: Convention) -> Iterator[tuple[str, list[Convention]]]:
    """All readings of an answer, by the order in which the images have to be given for it; a velocity has no others."""
    free = {
        key: values if convention.call != "velocity" else (getattr(convention, key),) for key, values in CHOICES.items()
    }
    others = list(product(free["gives"], free["units"], free["components"]))
    for order in CHOICES["order"]:
        yield order, [replace(convention, order=order, gives=g, units=u, components=c) for g, u, c in others]
