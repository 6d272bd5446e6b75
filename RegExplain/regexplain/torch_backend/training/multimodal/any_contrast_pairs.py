"""Pairs of any contrast and any anatomy with the motion between them known: what `any-contrast` trains on.

Nothing here has a size in mm: what is measured in cells of 2 mm in `pairs` is here any voxel of the canvas.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ...spatial.transformation import exponentiate_velocity
from . import pairs
from .anatomies import DEPTH_CELLS, STRUCTURES, Anatomy
from .any_contrast_images import random_field_of_view, random_means, remap_intensities, render_contrasts, scan
from .fields import bernoulli, smooth_noise, uniform
from .pairs import Pair, centred_cells, compose_points, random_linear, sample
from .shapes import MAX_LABELS, Shapes, random_shapes
from .visits import Visit

SIZE = (48, 48, 48)
SKULL_STRIPPED_SHARE = 0.35  # of images of heads
UNALIGNED_SHARE = 0.06  # of the pairs: further apart than an alignment leaves them
MAX_TURN, MAX_SHIFT, MAX_LOG_ZOOM = math.radians(30), 0.15, math.log(1.25)


def random_shapes_of(size, generator: torch.Generator) -> Shapes:
    """Fresh shapes that fill a view of `size` (x, y, z) with its margin."""
    return random_shapes([2 * n for n in pairs.with_margin(size)], generator)


def same_subject(subject: Shapes | Anatomy | Visit, generator: torch.Generator, size=SIZE) -> Pair:
    """Two random contrasts of one subject, the moving one moved by a known motion. `size`: x, y, z, even."""
    motion = random_motion(size, generator)
    forward, backward = exponentiate_velocity(motion)
    view = random_view(subject, size, generator)
    point_sets = [pairs.upsample_points(points, size) for points in (view, compose_points(view, backward))]
    (fixed, visible), (moving, moving_visible) = _images([subject, subject], point_sets, generator)
    displacement, inverse = (pairs.without_margin(way) for way in (forward, backward))
    nothing = torch.zeros(len(STRUCTURES), *displacement.shape[2:])
    return _pair(
        fixed,
        moving,
        (displacement[0], inverse[0], 2 * pairs.without_margin(motion)[0]),
        pairs.visible_in_both(visible, moving_visible, displacement),
        [nothing, nothing],
    )


def between_subjects(first: Anatomy, second: Anatomy, generator: torch.Generator, size=SIZE) -> Pair:
    """Of two heads, brought near by their structures' centroids and moved on: only the structures are known."""
    _, backward = exponentiate_velocity(random_motion(size, generator))
    view = random_view(first, size, generator)
    matrix = first.alignment(second)
    there = torch.einsum("ij,bjdhw->bidhw", matrix[:, :3], compose_points(view, backward))
    point_sets = [pairs.upsample_points(points, size) for points in (view, there + matrix[:, 3].view(1, 3, 1, 1, 1))]
    (fixed, _), (moving, _) = _images([first, second], point_sets, generator)
    segments = [
        pairs.structure_shares(pairs.labels_at(head, points, False))
        for head, points in zip((first, second), point_sets, strict=True)
    ]
    nothing = torch.zeros(3, *segments[0].shape[1:])
    return _pair(fixed, moving, (nothing, nothing, nothing), nothing[:1], segments)


def _pair(fixed: Tensor, moving: Tensor, motion: tuple[Tensor, ...], weight: Tensor, segments: list[Tensor]) -> Pair:
    displacement, inverse, known = motion
    return Pair(
        fixed=fixed[None],
        moving=moving[None],
        fixed_modality=torch.tensor(0),
        moving_modality=torch.tensor(0),
        displacement=displacement,
        inverse=inverse,
        velocity=known,
        weight=weight,
        fixed_segments=segments[0],
        moving_segments=segments[1],
        has_segments=torch.tensor(float(bool((weight == 0).all()))),
        aligned_other=fixed[None],
        moving_other=moving[None],
    )


def random_motion(size, generator: torch.Generator) -> Tensor:
    """A velocity, (1, 3, d, h, w) half cells on the half grid with its margin: bending at up to three scales, less than
    would fold; and what an alignment leaves, or now and then all that it should have found."""
    shape = pairs.with_margin(size)
    field = torch.zeros(1, 3, *shape)
    for _ in range(1 + int(torch.randint(3, (), generator=generator))):
        cells = math.exp(uniform(generator, math.log(2.0), math.log(9.0)))
        strength = min(uniform(generator, 0, 0.3) * cells, 1.8) / math.sqrt(3)
        field = field + strength * smooth_noise(3, shape, cells, generator)
    if bernoulli(generator, 0.85):
        field = field + _linear(size, shape, generator)
    return field


def _linear(size, shape, generator: torch.Generator) -> Tensor:
    extent = torch.tensor(size, dtype=torch.float32) / 2
    if bernoulli(generator, UNALIGNED_SHARE):
        turn, zoom, shift = (2 * torch.rand(3, 3, generator=generator) - 1) * torch.tensor([[MAX_TURN], [1.0], [1.0]])
        x, y, z = (turn / max(1.0, float(turn.norm()) / MAX_TURN)).tolist()
        matrix = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]]) + torch.diag(zoom * MAX_LOG_ZOOM)
        shift = shift * MAX_SHIFT * extent
    else:
        matrix = random_linear(generator, math.radians(2), 0.025, 0.015)
        shift = torch.randn(3, generator=generator) * 0.012 * extent
    return torch.einsum("ij,bjdhw->bidhw", matrix, centred_cells(shape)) + shift.view(1, 3, 1, 1, 1)


def random_view(subject: Shapes | Anatomy | Visit, size, generator: torch.Generator) -> Tensor:
    """(1, 3, d, h, w): the subject's cell (x, y, z) at each half cell of a view with its margin, turned, mirrored,
    stretched and bent at random: shapes at the size they were made, others from a third of a cell a voxel on."""
    shape = pairs.with_margin(size)
    is_shapes = isinstance(subject, Shapes)
    matrix = torch.linalg.matrix_exp(random_linear(generator, math.radians(8), 0.07, 0.05))
    matrix = matrix * (1.0 if is_shapes else math.exp(uniform(generator, math.log(0.35), math.log(1.4))))
    if bernoulli(generator, 0.5):
        order = torch.randperm(3, generator=generator)
        matrix = matrix @ torch.eye(3)[order]
    if not is_shapes or bernoulli(generator, 0.5):
        matrix = matrix @ torch.diag(2.0 * torch.randint(2, (3,), generator=generator) - 1)
    bending = uniform(generator, 0, 1.2) / math.sqrt(3)
    points = centred_cells(shape) + bending * smooth_noise(3, shape, uniform(generator, 5, 8), generator)
    centre = subject.centre
    if is_shapes:
        centre = centre + torch.randn(3, generator=generator)
    elif isinstance(subject, Anatomy) and bernoulli(generator, 0.7):
        cells = subject.brain[int(torch.randint(len(subject.brain), (), generator=generator))].float()
        centre = centre + uniform(generator, 0, 1) * (cells - centre)
    else:
        centre = centre + (2 * torch.rand(3, generator=generator) - 1) * 15
    return torch.einsum("ij,bjdhw->bidhw", matrix, 2 * points) + centre.view(1, 3, 1, 1, 1)


def _images(subjects: list, point_sets: list[Tensor], generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """(image as scanned, where the subject is visible in it), of each subject at each of the points."""
    same = subjects[0] is subjects[1]
    means = random_means(MAX_LABELS, generator)
    boxes = (
        [pairs.box_about(_extent(subjects[0]), tuple(point_sets))] * 2
        if same
        else [
            pairs.box_about(_extent(subject), (points,)) for subject, points in zip(subjects, point_sets, strict=True)
        ]
    )
    rendered = _stack(subjects[0], boxes[0], list(means), generator) if same else None
    results = []
    for k, (subject, points, box) in enumerate(zip(subjects, point_sets, boxes, strict=True)):
        if rendered is None:
            image, tissue, depth = _stack(subject, box, [means[k]], generator)
        else:
            image, tissue, depth = rendered[k], rendered[-2], rendered[-1]
        values = sample(torch.stack([image, tissue, depth]), points, box)
        tissue = values[1]
        visible = random_field_of_view(generator).of(values.shape[1:])
        if isinstance(subject, Anatomy) and bernoulli(generator, SKULL_STRIPPED_SHARE):
            visible &= values[2] + 2 * DEPTH_CELLS < uniform(generator, 0.4, 2.6)
        if bernoulli(generator, 0.3):  # air that was set to 0
            visible &= F.max_pool3d(tissue[None, None], 3, 1, 1)[0, 0] > 0.5
        results.append((scan(values[0], visible, 1 - tissue, generator), visible & (tissue > 0.5)))
    return results


def _extent(subject: Shapes | Anatomy | Visit):
    return (subject.head if isinstance(subject, Visit) else subject.first).shape


def _stack(subject: Shapes | Anatomy | Visit, box, means: list[Tensor], generator: torch.Generator) -> Tensor:
    """(N + 2, d, h, w) on the box's cells: the image with each of the means, where it is not air, and the depth below
    a brain's surface less twice the largest, so that the 0 beyond the box lies far from it."""
    if isinstance(subject, Visit):
        volumes = [box.of(subject.volumes[int(bernoulli(generator, 0.5))]) for _ in means]
        images = torch.stack([remap_intensities(volume, generator) for volume in volumes])
        tissue = box.of(subject.head).float()
        depth = torch.zeros_like(tissue)
    else:
        first, second, share = (box.of(part) for part in (subject.first, subject.second, subject.share))
        images = render_contrasts(first, second, share, means, generator)
        tissue = (first > 0).float()
        depth = box.of(subject.depth) - 2 * DEPTH_CELLS if isinstance(subject, Anatomy) else torch.zeros_like(tissue)
    return torch.cat([images, tissue[None], depth[None]])
