"""T1-like and FLAIR-like images of label maps: random means of the tissues, texture, lesions, and what scanners add."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .anatomies import DEPTH_CELLS, TISSUE, TISSUES, Anatomy
from .fields import apply_along_axis, bernoulli, interpolated_noise, normal, slice_profiles, smooth, uniform

T1, FLAIR = 0, 1


@dataclass(eq=False)
class Appearance:
    """One image's contrast, in intensities relative to white matter before anything the scanner adds.

    means, texture: (tissues,), texture being the share of the mean by which the intensity varies within the tissue.
    lesion: intensity of lesions. white: intensities that the scaling maps to 1, of a whole head and of a bare brain.
    """

    modality: int
    means: Tensor
    texture: Tensor
    lesion: float
    white: tuple[float, float]


def random_appearance(modality: int, anatomy: Anatomy, generator: torch.Generator) -> Appearance:
    means = (_t1_means if modality == T1 else _flair_means)(generator)
    values = torch.tensor([means[name] for name in TISSUES])
    values[1:] *= torch.exp(0.04 * torch.randn(len(values) - 1, generator=generator))
    values.clamp_(min=0)
    texture = torch.full((len(TISSUES),), uniform(generator, 0.02, 0.06))
    for name in ("soft tissue", "fat", "skin", "mucosa", "bone", "marrow", "vein", "artery", "outer fluid", "eye"):
        texture[TISSUE[name]] = uniform(generator, 0.1, 0.4)
    lesion = uniform(generator, 0.45, 1.0) if modality == T1 else uniform(generator, 1.25, 2.0)
    headroom = uniform(generator, 1.0, 1.3) if modality == T1 else uniform(generator, 1.05, 1.5)
    white = _white(values, anatomy, False) * headroom, _white(values, anatomy, True) * headroom
    return Appearance(modality, values, texture, lesion, white)


def _t1_means(generator: torch.Generator) -> dict[str, float]:
    """From spin echo (grey matter little darker than white, fat very bright) to inversion-prepared gradient echo."""

    def between(low: float, high: float) -> float:
        return uniform(generator, low, high)

    grey = between(0.55, 0.88)
    fluid = between(0.15, 0.5) * grey
    fat = between(1.1, 2.6)

    def towards_white(share: float) -> float:
        return grey + (1 - grey) * share

    return {
        "air": between(0.0, 0.03),
        "white matter": 1.0,
        "white matter lesion": towards_white(between(-0.5, 1.0)),
        "cerebellar white matter": between(0.9, 1.0),
        "brainstem": towards_white(between(0.5, 0.95)),
        "ventral diencephalon": towards_white(between(0.4, 0.9)),
        "optic chiasm": towards_white(between(0.3, 0.9)),
        "cortex": grey,
        "cerebellar cortex": grey * between(0.92, 1.05),
        "thalamus": towards_white(between(0.25, 0.6)),
        "caudate": towards_white(between(0.0, 0.25)),
        "putamen": towards_white(between(0.1, 0.4)),
        "pallidum": towards_white(between(0.4, 0.85)),
        "accumbens": towards_white(between(0.0, 0.25)),
        "hippocampus": towards_white(between(-0.05, 0.2)),
        "amygdala": towards_white(between(-0.05, 0.2)),
        "ventricle": fluid * between(0.8, 1.05),
        "choroid plexus": fluid + (grey - fluid) * between(0.2, 0.9),
        "perivascular space": fluid + (grey - fluid) * between(0.2, 0.8),
        "outer fluid": fluid * between(0.9, 1.3),
        "artery": between(0.1, 1.3),
        "vein": between(0.15, 1.0),
        "eye": fluid * between(0.8, 1.2),
        "optic nerve": between(0.4, 0.9),
        "mucosa": between(0.3, 0.9),
        "skin": between(0.5, 1.0) * min(fat, 1.5),
        "spinal cord": towards_white(between(0.4, 0.95)),
        "bone": between(0.05, 0.25),
        "marrow": fat * between(0.3, 0.9),
        "pituitary": between(0.6, 1.0),
        "soft tissue": between(0.45, 0.9),
        "fat": fat * between(0.7, 1.1),
    }


def _flair_means(generator: torch.Generator) -> dict[str, float]:
    """Fluid is suppressed; fat is, or is not."""

    def between(low: float, high: float) -> float:
        return uniform(generator, low, high)

    grey = between(1.02, 1.4)
    fluid = between(0.03, 0.3)
    fat = between(0.15, 0.5) if bernoulli(generator, 0.6) else between(0.5, 1.4)

    def grey_share(share: float) -> float:
        return 1 + (grey - 1) * share

    return {
        "air": between(0.0, 0.03),
        "white matter": 1.0,
        "white matter lesion": between(1.0, 1.5),
        "cerebellar white matter": between(0.92, 1.05),
        "brainstem": between(0.85, 1.08),
        "ventral diencephalon": between(0.9, 1.08),
        "optic chiasm": between(0.8, 1.1),
        "cortex": grey,
        "cerebellar cortex": grey * between(0.9, 1.02),
        "thalamus": grey_share(between(0.2, 0.8)),
        "caudate": grey_share(between(0.5, 1.0)),
        "putamen": grey_share(between(0.3, 0.9)),
        "pallidum": between(0.75, 1.02),
        "accumbens": grey_share(between(0.5, 1.1)),
        "hippocampus": grey_share(between(0.7, 1.3)),
        "amygdala": grey_share(between(0.7, 1.3)),
        "ventricle": fluid * between(0.8, 1.2),
        "choroid plexus": between(0.4, 1.2),
        "perivascular space": between(0.3, 0.9),
        "outer fluid": fluid * between(1.0, 2.5),
        "artery": between(0.03, 0.4),
        "vein": between(0.1, 0.8),
        "eye": fluid * between(0.8, 2.0),
        "optic nerve": between(0.4, 1.0),
        "mucosa": between(0.4, 1.6),
        "skin": between(0.2, 0.7),
        "spinal cord": between(0.7, 1.0),
        "bone": between(0.03, 0.15),
        "marrow": fat * between(0.4, 1.0),
        "pituitary": between(0.6, 1.2),
        "soft tissue": between(0.2, 0.6),
        "fat": fat,
    }


def _white(means: Tensor, anatomy: Anatomy, stripped: bool) -> float:
    """The 99.5th percentile over the cells of the head, or of the brain."""
    counts = anatomy.counts.clone().float()
    counts[TISSUE["air"]] = 0
    if stripped:
        counts[TISSUE["artery"] :] = 0
    order = means.argsort()
    reached = counts[order].cumsum(0) / counts.sum()
    return means[order][int((reached < 0.995).sum())].item()


@dataclass(eq=False)
class Box:
    """The part of an anatomy's cells that a view needs: slices along z, y, x."""

    slices: tuple[slice, slice, slice]

    def of(self, array: Tensor) -> Tensor:
        return array[self.slices]


def render(anatomy: Anatomy, appearances: list[Appearance], box: Box, generator: torch.Generator) -> Tensor:
    """(N, d, h, w): one head in each of these appearances, on the cells of the box; lesions and texture are shared."""
    first, second = (box.of(array).flatten().int() for array in (anatomy.first, anatomy.second))
    shape = [s.stop - s.start for s in box.slices]
    share = box.of(anatomy.share).float() / 8
    lesions = _lesions(anatomy, box, generator) if bernoulli(generator, 0.7) else None
    fine = interpolated_noise(1, shape, uniform(generator, 1.0, 2.5), generator)[0, 0]
    coarse = interpolated_noise(1, shape, uniform(generator, 4.0, 10.0), generator)[0, 0]
    pattern = fine + coarse
    images = []
    for appearance in appearances:
        of_first, of_second = (appearance.means.index_select(0, tissue).view(shape) for tissue in (first, second))
        image = of_second + share * (of_first - of_second)
        image *= 1 + appearance.texture.index_select(0, first).view(shape) * (pattern * normal(generator))
        if lesions is not None:
            image += lesions * (appearance.lesion - image)
        images.append(image.clamp_(min=0))
    return torch.stack(images)


def _lesions(anatomy: Anatomy, box: Box, generator: torch.Generator) -> Tensor:
    """(d, h, w) in [0, 1]: blobs in the white matter, more of them near the ventricles."""
    shape = [s.stop - s.start for s in box.slices]
    noise = interpolated_noise(1, shape, uniform(generator, 2.0, 5.0), generator)[0, 0]
    near = uniform(generator, 0.5, 2.5) * box.of(anatomy.near_ventricle)
    blobs = ((noise + near - uniform(generator, 1.4, 2.6)) * 4).clamp_(0, 1)
    white = (box.of(anatomy.first) == TISSUE["white matter"]) | (box.of(anatomy.first) == TISSUE["white matter lesion"])
    return blobs * white


@dataclass(eq=False)
class Acquisition:
    """What a scanner and its operator do to one image on the view's grid. Lengths in cells.

    strip: how far from the brain tissue stays; None: everywhere. silent_air: 0 outside the head, without noise.
    """

    strip: float | None
    silent_air: bool
    blur: float
    thickness: float | None
    axis: int
    bias: float
    gamma: float
    noise: float
    cut: tuple[float, float]  # of the grid, at its bottom and its top

    def coarser(self) -> Acquisition:
        """For cells of twice the size; only slices thicker than these remain visible."""
        thickness = None if self.thickness is None or self.thickness < 2.2 else self.thickness / 2
        return replace(self, blur=self.blur / 2, thickness=thickness)


def random_acquisition(generator: torch.Generator, stripped: bool) -> Acquisition:
    cut = [uniform(generator, 0.02, 0.3) if bernoulli(generator, 0.15) else 0.0 for _ in range(2)]
    return Acquisition(
        (uniform(generator, 0.4, 1.0) if bernoulli(generator, 0.2) else uniform(generator, 1.0, 2.6))
        if stripped
        else None,
        bernoulli(generator, 0.6),
        uniform(generator, 0.3, 1.0),
        uniform(generator, 1.4, 2.5) if bernoulli(generator, 0.35) else None,
        -3 if bernoulli(generator, 0.8) else -2 + int(bernoulli(generator, 0.5)),
        uniform(generator, 0.0, 0.35),
        normal(generator, 0.15),
        abs(normal(generator, 0.02)),
        (cut[0], cut[1]),
    )


def visible(acquisition: Acquisition, head: Tensor, depth: Tensor | None = None) -> Tensor:
    """(D, H, W) bool: inside the field of view, and not stripped. `depth`: an Anatomy's, on the grid of `head`."""
    low, high = acquisition.cut
    size = len(head)
    rows = torch.arange(size)
    mask = ((rows >= low * size) & (rows < (1 - high) * size))[:, None, None].expand_as(head)
    if acquisition.strip is not None:
        assert depth is not None
        mask = mask & (depth < min(acquisition.strip, DEPTH_CELLS - 1))
    if acquisition.silent_air:  # the head's edge stays as soft as it is
        mask = mask & (F.max_pool3d(head[None, None].float(), 3, 1, 1)[0, 0] > 0)
    return mask


def acquire(image: Tensor, acquisition: Acquisition, mask: Tensor, generator: torch.Generator) -> Tensor:
    """`image` (D, H, W), 1 where the scaling ends, as scanned; in [0, 1], 0 outside the `mask`."""
    shape = image.shape
    image = smooth(image, acquisition.blur)
    if acquisition.thickness is not None:
        matrix = slice_profiles(
            shape[acquisition.axis], acquisition.thickness, uniform(generator, 0, acquisition.thickness)
        )
        image = apply_along_axis(image, matrix, acquisition.axis)
    image = image * torch.exp(acquisition.bias * interpolated_noise(1, shape, 24, generator)[0, 0])
    if acquisition.noise:
        real, imaginary = acquisition.noise * torch.randn(2, *shape, generator=generator)
        image = torch.hypot(image + real, imaginary)
    return image.clamp_(1e-6, 1) ** torch.exp(torch.tensor(acquisition.gamma)) * mask


def without_artefacts(image: Tensor, acquisition: Acquisition, mask: Tensor) -> Tensor:
    """`image` as `acquired` leaves it, without bias, noise and thick slices: what a synthesis should aim at."""
    return smooth(image, 0.4).clamp_(1e-6, 1) ** torch.exp(torch.tensor(acquisition.gamma)) * mask
