"""Pairs of images with the motion between them known, or with the structures of both: what a step trains on.

All random numbers come from the given generator, so that a pair can be made again.
Cells of 2 mm along L, P, S; the motion lives on cells of 4 mm, "half" below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spatial.transformation import exponentiate_velocity
from ...spatial.warp import resize, warp
from .anatomies import CELL_MM, DEPTH_CELLS, MIRRORED, STRUCTURES, Anatomy
from .contrasts import (
    FLAIR,
    T1,
    Appearance,
    Box,
    acquire,
    random_acquisition,
    random_appearance,
    render,
    visible,
    without_artefacts,
)
from .fields import bernoulli, normal, smooth_noise, uniform
from .visits import Visit

SIZE = (64, 80, 64)  # x, y, z
HALF_MM = 2 * CELL_MM
MARGIN = 4  # half cells about a view, so that its border moves as its inside does
SAME_MODALITY = 0.15
STRIPPED = 0.45


@dataclass(eq=False)
class Pair:
    """fixed, moving: (1, D, H, W) in [0, 1]. aligned_other: the same head as fixed, in place, in the modality that
    fixed is not, without what the scanner adds; moving_other: likewise of moving.

    displacement, inverse: (3, D/2, H/2, W/2) pull-backs fixed → moving and back, in cells of their own grid, x, y, z;
    velocity: what they are exp(v) and exp(−v) of, in cells of 2 mm; weight: (1, D/2, H/2, W/2), 1 where the truth
    counts, 0 everywhere if it is not known.
    fixed_segments, moving_segments: (L, D/2, H/2, W/2) in [0, 1], the STRUCTURES. Modalities: 0 = T1, 1 = FLAIR.
    """

    fixed: Tensor
    moving: Tensor
    fixed_modality: Tensor
    moving_modality: Tensor
    displacement: Tensor
    inverse: Tensor
    velocity: Tensor
    weight: Tensor
    fixed_segments: Tensor
    moving_segments: Tensor
    has_segments: Tensor
    aligned_other: Tensor
    moving_other: Tensor

    def to(self, device) -> Pair:
        return Pair(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))


def stack_pairs(pairs: list[Pair]) -> Pair:
    """The same fields with the batch in front."""
    return Pair(**{f.name: torch.stack([getattr(pair, f.name) for pair in pairs]) for f in fields(Pair)})


def same_subject(subject: Anatomy | Visit, generator: torch.Generator, size=SIZE) -> Pair:
    """Two contrasts of one head, the moving one moved by a known motion. `size`: x, y, z, even."""
    modalities = random_modalities(generator)
    motion = random_motion(size, generator)
    forward, backward = exponentiate_velocity(motion)
    view, mirrored = random_view(subject, size, generator)
    moved = compose_points(view, backward)
    fixed_points, moving_points = (upsample_points(points, size) for points in (view, moved))
    if isinstance(subject, Visit):
        images = _visit_images(subject, modalities, (fixed_points, moving_points), generator)
        segments = [torch.zeros(len(STRUCTURES), *(n // 2 for n in reversed(size)))] * 2
    else:
        appearances = _random_appearances(modalities, subject, generator)
        labels = [labels_at(subject, points, mirrored) for points in (fixed_points, moving_points)]
        images = _rendered_images(subject, appearances, (fixed_points, moving_points), labels, generator)
        segments = [structure_shares(label) for label in labels]
    (fixed, other, fixed_mask), (moving, moving_other, moving_mask) = images
    displacement, inverse = (without_margin(way) for way in (forward, backward))
    return Pair(
        fixed=fixed[None],
        moving=moving[None],
        fixed_modality=torch.tensor(modalities[0]),
        moving_modality=torch.tensor(modalities[1]),
        displacement=displacement[0],
        inverse=inverse[0],
        velocity=2 * without_margin(motion)[0],
        weight=visible_in_both(fixed_mask, moving_mask, displacement),
        fixed_segments=segments[0],
        moving_segments=segments[1],
        has_segments=torch.tensor(float(not isinstance(subject, Visit))),
        aligned_other=other[None],
        moving_other=moving_other[None],
    )


def between_subjects(first: Anatomy, second: Anatomy, generator: torch.Generator, size=SIZE) -> Pair:
    """One contrast of the first head to one of the second, brought near by the structures' centroids and moved on."""
    modalities = random_modalities(generator)
    _, backward = exponentiate_velocity(random_motion(size, generator))
    view, mirrored = random_view(first, size, generator)
    matrix = first.alignment(second)
    there = torch.einsum("ij,bjdhw->bidhw", matrix[:, :3], compose_points(view, backward))
    there = there + matrix[:, 3].view(1, 3, 1, 1, 1)
    sides = []
    appearances = _random_appearances(modalities, first, generator)
    for subject, appearance, points in zip((first, second), appearances, (view, there), strict=True):
        points = upsample_points(points, size)
        labels = labels_at(subject, points, mirrored)
        ((image, other, _),) = _rendered_images(subject, [appearance], (points,), [labels], generator)
        sides.append((image, other, structure_shares(labels)))
    (fixed, other, fixed_segments), (moving, moving_other, moving_segments) = sides
    nothing = torch.zeros(3, *fixed_segments.shape[1:])
    return Pair(
        fixed=fixed[None],
        moving=moving[None],
        fixed_modality=torch.tensor(modalities[0]),
        moving_modality=torch.tensor(modalities[1]),
        displacement=nothing,
        inverse=nothing,
        velocity=nothing,
        weight=nothing[:1],
        fixed_segments=fixed_segments,
        moving_segments=moving_segments,
        has_segments=torch.tensor(1.0),
        aligned_other=other[None],
        moving_other=moving_other[None],
    )


def random_modalities(generator: torch.Generator) -> tuple[int, int]:
    first = T1 if bernoulli(generator, 0.5) else FLAIR
    return (first, first) if bernoulli(generator, SAME_MODALITY) else (first, 1 - first)


def random_motion(size, generator: torch.Generator) -> Tensor:
    """A velocity, (1, 3, d, h, w) half cells on the half grid with its margin, smooth plus affine."""
    shape = with_margin(size)
    field = torch.zeros(1, 3, *shape)
    scales = 2 if bernoulli(generator, 0.3) else 1
    amplitude = uniform(generator, 0, 6) / HALF_MM / math.sqrt(3 * scales)
    for _ in range(scales):
        field = field + amplitude * smooth_noise(3, shape, uniform(generator, 8, 20) / HALF_MM, generator)
    if bernoulli(generator, 0.8):
        matrix = random_linear(generator, math.radians(3), 0.04, 0.02)
        shift = torch.randn(3, generator=generator) * 3 / HALF_MM
        field = field + torch.einsum("ij,bjdhw->bidhw", matrix, centred_cells(shape)) + shift.view(1, 3, 1, 1, 1)
    return field


def random_linear(generator: torch.Generator, rotation: float, zoom: float, shear: float) -> Tensor:
    """(3, 3), the logarithm of a random matrix; arguments are standard deviations, the rotation's in radians."""
    a, b, c = (normal(generator, rotation) for _ in range(3))
    d, e, f = (normal(generator, shear) for _ in range(3))
    x, y, z = (normal(generator, zoom) for _ in range(3))
    turn = torch.tensor([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    stretch = torch.tensor([[x, d, e], [d, y, f], [e, f, z]])
    return turn + stretch


def random_view(subject: Anatomy | Visit, size, generator: torch.Generator) -> tuple[Tensor, bool]:
    """(1, 3, d, h, w): the subject's cell (x, y, z) at each half cell of a view with its margin, and whether mirrored.

    The view's middle lies near the subject's; the subject is turned, stretched and bent at random.
    """
    shape = with_margin(size)
    matrix = torch.linalg.matrix_exp(random_linear(generator, math.radians(6), 0.07, 0.03))
    mirrored = bernoulli(generator, 0.5)
    if mirrored:
        matrix = matrix * torch.tensor([-1.0, 1.0, 1.0])
    bent = uniform(generator, 0, 5) / HALF_MM / math.sqrt(3)
    points = centred_cells(shape) + bent * smooth_noise(3, shape, uniform(generator, 20, 32) / HALF_MM, generator)
    middle = subject.centre + (2 * torch.rand(3, generator=generator) - 1) * 15
    return torch.einsum("ij,bjdhw->bidhw", matrix, 2 * points) + middle.view(1, 3, 1, 1, 1), mirrored


def compose_points(points: Tensor, displacement: Tensor) -> Tensor:
    """`points` (1, 3, d, h, w), a value a cell, at p + displacement(p)."""
    straight = 2 * centred_cells(points.shape[2:])  # linear parts stay exact beyond the border
    return warp(points - straight, displacement) + straight + 2 * displacement


def with_margin(size) -> tuple[int, int, int]:
    x, y, z = (n // 2 + 2 * MARGIN for n in size)
    return z, y, x


def centred_cells(shape) -> Tensor:
    """(1, 3, D, H, W) cells from the middle, x, y, z."""
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z])[None]


def without_margin(field: Tensor, left: int = 0) -> Tensor:
    """Without the margin but for `left` half cells of it."""
    n = MARGIN - left
    return field[:, :, n:-n, n:-n, n:-n]


def upsample_points(points: Tensor, size) -> Tensor:
    """The half grid's points with their margin, interpolated on the view's cells of 2 mm."""
    near = without_margin(points, 1)
    full = resize(near, [2 * n for n in near.shape[2:]])
    return full[:, :, 2:-2, 2:-2, 2:-2]


def box_about(array_shape, many: tuple[Tensor, ...]) -> Box:
    """The cells that linear interpolation at any of these points needs."""
    slices = []
    for axis, size in zip((2, 1, 0), array_shape, strict=True):
        low = min(points[:, axis].min().item() for points in many)
        high = max(points[:, axis].max().item() for points in many)
        start = min(max(math.floor(low) - 1, 0), size - 2)
        slices.append(slice(start, max(min(math.ceil(high) + 2, size), start + 2)))
    return Box((slices[0], slices[1], slices[2]))


def sample(stack: Tensor, points: Tensor, box: Box, nearest: bool = False) -> Tensor:
    """(C, D, H, W) of `stack` (C, d, h, w) on the cells of `box`, at `points` (1, 3, D, H, W); 0 beyond."""
    starts = torch.tensor([float(s.start) for s in reversed(box.slices)])
    counts = torch.tensor([float(n) for n in reversed(stack.shape[1:])])
    grid = (points[0].permute(1, 2, 3, 0) - starts + 0.5) * (2 / counts) - 1
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(stack[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)[0]


def _rendered_images(
    anatomy: Anatomy,
    appearances: list[tuple[Appearance, Appearance]],
    many: tuple[Tensor, ...],
    labels: list[Tensor],
    generator: torch.Generator,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """For each image: itself as acquired, the other modality clean on the same cells, and the mask of what it shows of
    the head.

    appearances: of the image and of the other modality, for each; labels as `labels_at` has them.
    """
    box = box_about(anatomy.first.shape, many)
    wanted = list({id(appearance): appearance for pair in appearances for appearance in pair}.values())
    far = 2 * DEPTH_CELLS  # so that the 0 beyond the box is far from the brain
    stack = torch.cat([render(anatomy, wanted, box, generator), box.of(anatomy.depth)[None] - far])
    results = []
    for (appearance, other), points, label in zip(appearances, many, labels, strict=True):
        stripped = bernoulli(generator, STRIPPED)
        acquisition = random_acquisition(generator, stripped)
        values = sample(stack if stripped else stack[:-1], points, box)
        mask = visible(acquisition, label > 0, values[-1] + far)
        image, opposite = (values[wanted.index(which)] / which.white[stripped] for which in (appearance, other))
        scanned = acquire(image, acquisition, mask, generator)
        results.append((scanned, without_artefacts(opposite, acquisition, mask), mask & (label > 0)))
    return results


def _visit_images(
    visit: Visit, modalities: tuple[int, int], many: tuple[Tensor, ...], generator: torch.Generator
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """As `_drawn_images`, of the real images."""
    box = box_about(visit.head.shape, many)
    stack = torch.cat([torch.stack([box.of(volume) for volume in visit.volumes]), box.of(visit.head)[None].float()])
    results = []
    for modality, points in zip(modalities, many, strict=True):
        acquisition = replace(
            random_acquisition(generator, False), thickness=None, silent_air=False, noise=abs(normal(generator, 0.01))
        )
        values = sample(stack, points, box)
        mask = visible(acquisition, values[2] > 0.5)
        scanned = acquire(values[modality], acquisition, mask, generator)
        results.append((scanned, without_artefacts(values[1 - modality], acquisition, mask), mask & (values[2] > 0.5)))
    return results


def _random_appearances(
    modalities: tuple[int, int], anatomy: Anatomy, generator: torch.Generator
) -> list[tuple[Appearance, Appearance]]:
    """The appearance of each image and of the other modality: that of the other image where that has it."""
    fixed, moving = (random_appearance(modality, anatomy, generator) for modality in modalities)
    if fixed.modality != moving.modality:
        return [(fixed, moving), (moving, fixed)]
    other = random_appearance(1 - fixed.modality, anatomy, generator)
    return [(fixed, other), (moving, other)]


def labels_at(anatomy: Anatomy, points: Tensor, mirrored: bool) -> Tensor:
    """(D, H, W): 0 in the air, 1 in the head, 2 + k in structure k; left is what lies left in the view."""
    box = box_about(anatomy.first.shape, (points,))
    known = torch.where(box.of(anatomy.first) > 0, box.of(anatomy.structures) + 1, 0)
    label = sample(known[None].float(), points, box, nearest=True)[0].long()
    return torch.tensor([0, 1, *(k + 2 for k in MIRRORED)])[label] if mirrored else label


def structure_shares(labels: Tensor) -> Tensor:
    """(L, D/2, H/2, W/2): the share of each structure in each half cell."""
    shape = [n // 2 for n in labels.shape]
    cells = math.prod(shape)
    half = torch.arange(cells).view(shape)
    for axis in range(3):
        half = half.repeat_interleave(2, axis)
    counts = torch.bincount((labels * cells + half).flatten(), minlength=(len(STRUCTURES) + 2) * cells)
    return counts.view(-1, *shape)[2:].float() / 8


def visible_in_both(fixed_mask: Tensor, moving_mask: Tensor, displacement: Tensor) -> Tensor:
    """(1, D/2, H/2, W/2): 1 where both images show the tissue, and it lies in the moving view."""
    fixed, moving = (F.avg_pool3d(mask[None, None].float(), 2) for mask in (fixed_mask, moving_mask))
    there = warp(moving, displacement, padding="zeros")
    return ((fixed[0] > 0.5) & (there[0] > 0.5)).float()
