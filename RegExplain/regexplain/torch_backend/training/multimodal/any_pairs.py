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
from .any_contrast import random_field_of_view, random_means, remap_intensities, render_contrasts, scan
from .fields import bernoulli, smooth_noise, uniform
from .pairs import Pair, centred_cells, compose_points, random_linear, sample
from .shapes import MOST_LABELS, Shapes, random_shapes
from .visits import Visit

SIZE = (48, 48, 48)
BARE = 0.35  # share of images of heads that show the brain alone
FAR = 0.06  # share of the pairs that are as far apart as no alignment would leave them
MOST_TURN, MOST_SHIFT, MOST_LOG_ZOOM = math.radians(30), 0.15, math.log(1.25)


def shapes_for(size, generator: torch.Generator) -> Shapes:
    """Fresh shapes that fill a view of `size` (x, y, z) with its margin."""
    return random_shapes([2 * n for n in pairs.with_margin(size)], generator)


def known_pair(subject: Shapes | Anatomy | Visit, generator: torch.Generator, size=SIZE) -> Pair:
    """Two random contrasts of one subject, the moving one moved by a known motion. `size`: x, y, z, even."""
    motion = random_motion(size, generator)
    forward, backward = exponentiate_velocity(motion)
    view = random_view(subject, size, generator)
    many = [pairs.upsample_points(points, size) for points in (view, compose_points(view, backward))]
    (fixed, seen), (moving, moving_seen) = _images([subject, subject], many, generator)
    displacement, inverse = (pairs.without_margin(way) for way in (forward, backward))
    nothing = torch.zeros(len(STRUCTURES), *displacement.shape[2:])
    return _pair(
        fixed,
        moving,
        (displacement[0], inverse[0], 2 * pairs.without_margin(motion)[0]),
        pairs.visible_in_both(seen, moving_seen, displacement),
        [nothing, nothing],
    )


def pair_of_two(first: Anatomy, second: Anatomy, generator: torch.Generator, size=SIZE) -> Pair:
    """Of two heads, brought near by their structures' centroids and moved on: only the structures are known."""
    _, backward = exponentiate_velocity(random_motion(size, generator))
    view = random_view(first, size, generator)
    matrix = first.alignment(second)
    there = torch.einsum("ij,bjdhw->bidhw", matrix[:, :3], compose_points(view, backward))
    many = [pairs.upsample_points(points, size) for points in (view, there + matrix[:, 3].view(1, 3, 1, 1, 1))]
    (fixed, _), (moving, _) = _images([first, second], many, generator)
    segments = [
        pairs.structure_shares(pairs.labels_at(head, points, False))
        for head, points in zip((first, second), many, strict=True)
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
    if bernoulli(generator, FAR):
        turn, zoom, shift = (2 * torch.rand(3, 3, generator=generator) - 1) * torch.tensor([[MOST_TURN], [1.0], [1.0]])
        x, y, z = (turn / max(1.0, float(turn.norm()) / MOST_TURN)).tolist()
        matrix = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]]) + torch.diag(zoom * MOST_LOG_ZOOM)
        shift = shift * MOST_SHIFT * extent
    else:
        matrix = random_linear(generator, math.radians(2), 0.025, 0.015)
        shift = torch.randn(3, generator=generator) * 0.012 * extent
    return torch.einsum("ij,bjdhw->bidhw", matrix, centred_cells(shape)) + shift.view(1, 3, 1, 1, 1)


def random_view(subject: Shapes | Anatomy | Visit, size, generator: torch.Generator) -> Tensor:
    """(1, 3, d, h, w): the subject's cell (x, y, z) at each half cell of a view with its margin, turned, mirrored,
    stretched and bent at random: shapes at the size they were made, others from a third of a cell a voxel on."""
    shape = pairs.with_margin(size)
    made = isinstance(subject, Shapes)
    matrix = torch.linalg.matrix_exp(random_linear(generator, math.radians(8), 0.07, 0.05))
    matrix = matrix * (1.0 if made else math.exp(uniform(generator, math.log(0.35), math.log(1.4))))
    if bernoulli(generator, 0.5):
        order = torch.randperm(3, generator=generator)
        matrix = matrix @ torch.eye(3)[order]
    if not made or bernoulli(generator, 0.5):
        matrix = matrix @ torch.diag(2.0 * torch.randint(2, (3,), generator=generator) - 1)
    bent = uniform(generator, 0, 1.2) / math.sqrt(3)
    points = centred_cells(shape) + bent * smooth_noise(3, shape, uniform(generator, 5, 8), generator)
    middle = subject.centre
    if made:
        middle = middle + torch.randn(3, generator=generator)
    elif isinstance(subject, Anatomy) and bernoulli(generator, 0.7):
        cells = subject.brain[int(torch.randint(len(subject.brain), (), generator=generator))].float()
        middle = middle + uniform(generator, 0, 1) * (cells - middle)
    else:
        middle = middle + (2 * torch.rand(3, generator=generator) - 1) * 15
    return torch.einsum("ij,bjdhw->bidhw", matrix, 2 * points) + middle.view(1, 3, 1, 1, 1)


def _images(subjects: list, many: list[Tensor], generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """(image as scanned, what of the subject is seen in it), of each subject at each of the points."""
    same = subjects[0] is subjects[1]
    means = random_means(MOST_LABELS, generator)
    boxes = (
        [pairs.box_about(_extent(subjects[0]), tuple(many))] * 2
        if same
        else [pairs.box_about(_extent(subject), (points,)) for subject, points in zip(subjects, many, strict=True)]
    )
    drawn = _stack(subjects[0], boxes[0], list(means), generator) if same else None
    results = []
    for k, (subject, points, box) in enumerate(zip(subjects, many, boxes, strict=True)):
        if drawn is None:
            image, tissue, depth = _stack(subject, box, [means[k]], generator)
        else:
            image, tissue, depth = drawn[k], drawn[-2], drawn[-1]
        values = sample(torch.stack([image, tissue, depth]), points, box)
        tissue = values[1]
        seen = random_field_of_view(generator).of(values.shape[1:])
        if isinstance(subject, Anatomy) and bernoulli(generator, BARE):
            seen &= values[2] + 2 * DEPTH_CELLS < uniform(generator, 0.4, 2.6)
        if bernoulli(generator, 0.3):  # air that was set to 0
            seen &= F.max_pool3d(tissue[None, None], 3, 1, 1)[0, 0] > 0.5
        results.append((scan(values[0], seen, 1 - tissue, generator), seen & (tissue > 0.5)))
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
