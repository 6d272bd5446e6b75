"""Images of label maps, and of real scans, in contrasts that no scanner need have: nothing but shape can be relied on.

What is drawn for the two images of a pair is independent but for the anatomy: the mean of every label, how its texture
shows, what is there in one image alone, and what the scanner adds. Intensities are in [0, 1] but for what is clipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .contrasts import Acquisition, acquire
from .fields import bernoulli, interpolated_noise, normal, smooth_noise, uniform


def random_means(labels: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(labels,) intensities of the two images; label 0, air, is mostly dark."""
    first = _means(labels, generator)
    kind = uniform(generator, 0, 1)
    if kind < 0.15:
        second = first + 0.05 * torch.randn(labels, generator=generator)
    elif kind < 0.25:
        second = 1 - first + 0.1 * torch.randn(labels, generator=generator)
    else:
        second = _means(labels, generator)
    sides = []
    for means in (first, second):
        means = _merged(means, generator).clamp(0, 1)
        if not bernoulli(generator, 0.1):
            means[0] = uniform(generator, 0, 0.06)
        sides.append(means)
    return (sides[1], sides[0]) if bernoulli(generator, 0.5) else (sides[0], sides[1])


def _means(labels: int, generator: torch.Generator) -> Tensor:
    """Anything; or nearly the same for most, as soft tissue in CT."""
    free = torch.rand(labels, generator=generator)
    if bernoulli(generator, 0.85):
        return free
    usual = uniform(generator, 0.2, 0.8) + uniform(generator, 0.06, 0.2) * torch.randn(labels, generator=generator)
    return torch.where(torch.rand(labels, generator=generator) < 0.75, usual, free)


def _merged(means: Tensor, generator: torch.Generator) -> Tensor:
    """Up to a fifth of the labels are not told from another one."""
    count = len(means)
    like = torch.randint(count, (count,), generator=generator)
    chosen = torch.rand(count, generator=generator) < uniform(generator, 0, 0.2)
    return torch.where(chosen, means[like], means)


def render_contrasts(
    first: Tensor, second: Tensor, share: Tensor, means: list[Tensor], generator: torch.Generator
) -> Tensor:
    """(N, D, H, W): one label map with each of the means; the texture's pattern is the anatomy's, its sign and strength
    the label's in that image. share: eighths of a cell that are of the first label."""
    shape = first.shape
    fine = smooth_noise(1, shape, uniform(generator, 0.6, 2.0), generator)[0, 0]
    pattern = fine + interpolated_noise(1, shape, uniform(generator, 4.0, 12.0), generator)[0, 0]
    share, first_label, second_label = share.float() / 8, first.flatten().int(), second.flatten().int()
    images = []
    for values in means:
        strength = uniform(generator, 0.0, 0.09) * torch.randn(len(values), generator=generator)
        strength[0] *= 0.2
        of_first, of_second = (values.index_select(0, label).view(shape) for label in (first_label, second_label))
        image = of_second + share * (of_first - of_second)
        images.append(image + strength.index_select(0, first_label).view(shape) * pattern)
    return torch.stack(images)


def remap_intensities(volume: Tensor, generator: torch.Generator) -> Tensor:
    """A real image (D, H, W) in [0, 1] with its intensities carried along a random broken line; air mostly stays 0."""
    knots = torch.rand(2 + int(torch.randint(5, (), generator=generator)), generator=generator)
    if not bernoulli(generator, 0.1):
        knots[0] = 0.0
    place = volume.clamp(0, 1) * (len(knots) - 1)
    low = place.floor().clamp(max=len(knots) - 2)
    below, above = knots[low.long()], knots[low.long() + 1]
    return below + (place - low) * (above - below)


def add_lesion(image: Tensor, generator: torch.Generator) -> Tensor:
    """A lesion, a resection, a balloon: blobs (D, H, W) that only this image has."""
    blobs = interpolated_noise(1, image.shape, uniform(generator, 5.0, 14.0), generator)[0, 0] - uniform(
        generator, 1.2, 2.2
    )
    return torch.lerp(image, torch.full_like(image, uniform(generator, 0, 1)), (4 * blobs).clamp(0, 1))


def add_couch(image: Tensor, air: Tensor, generator: torch.Generator) -> Tensor:
    """One or two thin plates in the air at one side of the image."""
    size = image.shape[-2]
    rows = torch.arange(size, dtype=torch.float32)[:, None] - size * uniform(generator, 0.8, 0.97)
    across = torch.linspace(-1, 1, image.shape[-1])[None]
    rows = rows + uniform(generator, -0.1, 0.15) * size * across.square()
    plate = ((uniform(generator, 0.7, 2.0) - rows.abs()) * 2).clamp(0, 1)
    if bernoulli(generator, 0.5):
        plate = torch.maximum(plate, ((1 - (rows - uniform(generator, 3, 8)).abs()) * 2).clamp(0, 1))
    plate = plate if bernoulli(generator, 0.8) else plate.flip(0)
    return torch.lerp(image, torch.full_like(image, uniform(generator, 0.3, 1.0)), plate[None] * air)


@dataclass(eq=False)
class FieldOfView:
    """What of its grid one image shows: slabs cut off at the ends of each axis (z, y, x; shares of it), and what lies
    within an ellipsoid (centre and radii as shares of the grid, x, y, z) where only an organ was kept."""

    cuts: list[tuple[float, float]]
    ellipsoid: tuple[Tensor, Tensor] | None

    def of(self, shape) -> Tensor:
        """(D, H, W) bool."""
        seen = torch.ones(tuple(shape), dtype=torch.bool)
        for axis, (low, high) in enumerate(self.cuts):
            cells = torch.arange(shape[axis])
            inside = (cells >= low * shape[axis]) & (cells < (1 - high) * shape[axis])
            seen &= inside.view([-1 if a == axis else 1 for a in range(3)])
        if self.ellipsoid is not None:
            centre, radii = self.ellipsoid
            axes = [torch.linspace(-1, 1, n) for n in shape]
            z, y, x = torch.meshgrid(*axes, indexing="ij")
            points = (torch.stack([x, y, z], -1) - centre) / radii
            seen &= points.square().sum(-1) < 1
        return seen


def random_field_of_view(generator: torch.Generator) -> FieldOfView:
    cuts = [(0.0, 0.0)] * 3
    if bernoulli(generator, 0.2):
        axis = int(torch.randint(3, (), generator=generator))
        low, high = (uniform(generator, 0.02, 0.3) if bernoulli(generator, 0.6) else 0.0 for _ in range(2))
        cuts[axis] = low, high
    ellipsoid = None
    if bernoulli(generator, 0.05):
        centre = (torch.rand(3, generator=generator) - 0.5) * 0.4
        ellipsoid = centre, 0.5 + 0.6 * torch.rand(3, generator=generator)
    return FieldOfView(cuts, ellipsoid)


def random_scan(generator: torch.Generator) -> Acquisition:
    """From a sharp volume to one of few thick slices, or one drawn out of much coarser voxels."""
    blur = uniform(generator, 0.3, 0.8) if bernoulli(generator, 0.7) else uniform(generator, 0.8, 1.8)
    return Acquisition(
        strip=None,
        silent_air=False,
        blur=blur,
        thickness=uniform(generator, 1.4, 4.0) if bernoulli(generator, 0.15) else None,
        axis=-1 - int(torch.randint(3, (), generator=generator)),
        bias=uniform(generator, 0.0, 0.35),
        gamma=normal(generator, 0.25),
        noise=abs(normal(generator, 0.02)),
        cut=(0.0, 0.0),
    )


def scan(image: Tensor, seen: Tensor, air: Tensor, generator: torch.Generator) -> Tensor:
    """`image` (D, H, W) as one more scanner would have it; 0 where it is not `seen`, in [0, 1]."""
    if bernoulli(generator, 0.12):
        image = add_lesion(image, generator)
    if bernoulli(generator, 0.1):
        image = add_couch(image, air, generator)
    if bernoulli(generator, 0.35):
        speckle = smooth_noise(1, image.shape, uniform(generator, 0.6, 2.5), generator)[0, 0]
        image = image * (1 + uniform(generator, 0, 0.2) * speckle)
    image = acquire(rescale_intensities(image, seen, generator), random_scan(generator), seen, generator)
    return image


def rescale_intensities(image: Tensor, seen: Tensor, generator: torch.Generator) -> Tensor:
    """About as `intensities.robust_rescale` scales what is seen, with the brightest few anywhere above 1 or below."""
    values = image[seen]
    if len(values) == 0:
        return image
    some = values[:: max(1, len(values) // 20_000)].sort().values
    low = min(float(some[len(some) // 100]), 0.5)
    high = float(some[min(len(some) - 1, int(len(some) * 0.995))])
    return (image - low).clamp(min=0) / (max(high - low, 0.05) * math.exp(uniform(generator, -0.15, 0.3)))
