"""Features of a cell that the error of a registration is estimated from, in any contrast.

About each cell the warped moving image is compared with the fixed one at 125 shifts, at three scales, by the
self-similarity of both (MIND-SSC): where another shift fits better, the registration is wrong there; where all shifts
fit alike, nothing can be estimated. Further features: how much structure there is, and how the field bends.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spatial.self_similarity import box_mean, mind_ssc
from ..spatial.warp import resize
from .cells import CellPair

SEARCH_RADIUS = 2  # voxels of its scale, to each side
SHIFTS = (2 * SEARCH_RADIUS + 1) ** 3
SCALES = 3  # voxels of half a cell, of a cell, of two cells
COST_SCALE = 10.0  # differences of descriptors are some hundredths
INVERSE_TEMPERATURE = 100.0  # of the weights by which shifts are averaged
COST_WINDOWS = (
    (0, 1),
    (0, 2),
    (0, 3),
    (1, 1),
    (1, 2),
    (2, 1),
)  # scale, and over how many cells to each side costs are averaged
MAPS_PER_WINDOW = (
    "cost",
    "least cost",
    "gain of the best shift",
    "contrast of the shifts",
    "best shift",
    "best shift of the neighbours",
    "spread of the shifts",
)
MAPS = (
    *(f"{name}, scale {scale + 1}, ±{reach} cells" for scale, reach in COST_WINDOWS for name in MAPS_PER_WINDOW),
    "structure of the fixed image",
    "structure of the warped image",
    "local correlation",
    "tissue in the fixed image",
    "tissue in the warped image",
    "change of volume",
    "strain",
    "bending",
)


def features(pair: CellPair) -> Tensor:
    """(MAPS, d, h, w) on the cells of the pair; without units, lengths being in cells or voxels of their scale."""
    images = [torch.from_numpy(a).float()[None, None] for a in (pair.fixed, pair.warped)]
    tissue = [torch.from_numpy(a).float()[None, None] for a in (pair.fixed_tissue, pair.warped_tissue)]
    costs = shift_costs_by_scale(*images)
    maps = [shift_maps(costs[scale], reach) for scale, reach in COST_WINDOWS]
    extra = [*structure_maps(*images), *(F.avg_pool3d(t, 2)[0, 0] for t in tissue)]
    field = field_maps(torch.from_numpy(pair.displacement) / pair.cells.spacing[0])
    return torch.cat([*maps, torch.stack(extra), field])


def shift_costs_by_scale(fixed: Tensor, warped: Tensor) -> list[Tensor]:
    """Of (1, 1, D, H, W), even: (SHIFTS, d, h, w) at each scale, on the cells."""
    cells = [n // 2 for n in fixed.shape[2:]]
    found = [half_cell_shift_costs(mind_ssc(fixed)[0], mind_ssc(warped)[0])]
    for scale in range(1, SCALES):
        fixed, warped = (F.avg_pool3d(image, 2, ceil_mode=True) for image in (fixed, warped))
        cost = shift_costs(mind_ssc(fixed, 1, 1)[0], mind_ssc(warped, 1, 1)[0])
        found.append(cost if scale == 1 else _upsampled(cost, cells, 2 ** (scale - 1)))
    return found


def _upsampled(cost: Tensor, cells, factor: int) -> Tensor:
    whole = resize(cost[None], [n * factor for n in cost.shape[1:]])[0]
    return whole[:, : cells[0], : cells[1], : cells[2]]


def shift_costs(fixed: Tensor, warped: Tensor) -> Tensor:
    """(SHIFTS, D, H, W): mean absolute difference of (C, D, H, W) from `warped` at p + shift, z slowest."""
    depth, height, width = fixed.shape[1:]
    padded = F.pad(warped[None], [SEARCH_RADIUS] * 6, mode="replicate")[0]
    found = []
    for z, y, x in product(range(2 * SEARCH_RADIUS + 1), repeat=3):
        there = padded[:, z : z + depth, y : y + height, x : x + width]
        found.append((fixed - there).abs_().mean(0))
    return torch.stack(found)


def half_cell_shift_costs(fixed: Tensor, warped: Tensor) -> Tensor:
    """The same at half cells, at two opposite voxels of each cell: (SHIFTS, d, h, w)."""
    padded = F.pad(warped[None], [SEARCH_RADIUS] * 6, mode="replicate")[0]
    parts = {corner: _every_second_voxel(padded, corner) for corner in product((0, 1), repeat=3)}
    depth, height, width = (n // 2 for n in fixed.shape[1:])
    total = torch.zeros(SHIFTS, depth, height, width)
    for own in (0, 1):
        here = _every_second_voxel(fixed, (own,) * 3)
        for k, shift in enumerate(product(range(2 * SEARCH_RADIUS + 1), repeat=3)):
            corner = tuple((own + s) % 2 for s in shift)
            z, y, x = ((own + s) // 2 for s in shift)
            there = parts[corner][:, z : z + depth, y : y + height, x : x + width]
            total[k] += (here - there).abs_().mean(0)
    return total / 2


def _every_second_voxel(volume: Tensor, corner) -> Tensor:
    z, y, x = corner
    return volume[:, z::2, y::2, x::2].contiguous()


def shift_maps(cost: Tensor, reach: int) -> Tensor:
    """(MAPS_PER_WINDOW, d, h, w) of costs averaged over cells within `reach`; shifts: weighted means, voxels."""
    cost = _window_mean(cost, reach)
    here, least, mean = cost[SHIFTS // 2], cost.amin(0), cost.mean(0)
    weights = F.softmax(-INVERSE_TEMPERATURE * cost, 0)
    shifts = torch.tensor(list(product(range(-SEARCH_RADIUS, SEARCH_RADIUS + 1), repeat=3)), dtype=cost.dtype)
    best = torch.einsum("kc,kdhw->cdhw", shifts, weights)
    second = torch.einsum("k,kdhw->dhw", shifts.square().sum(1), weights)
    spread = (second - best.square().sum(0)).clamp(min=0).sqrt()
    costs = (COST_SCALE * values for values in (here, least, here - least, mean - least))
    return torch.stack([*costs, _length(best), _length(_window_mean(best, 1)), spread])


def structure_maps(fixed: Tensor, warped: Tensor) -> list[Tensor]:
    """Log share of the image's mean gradient; correlation in cubes of 7 voxels, in size."""
    found = []
    for image in (fixed, warped):
        gradient = _length(torch.stack(torch.gradient(image[0, 0])))
        found.append((F.avg_pool3d(gradient[None, None], 2)[0, 0] / (gradient.mean() + 1e-9) + 0.01).log())
    padded = [F.pad(image, [3] * 6, mode="replicate") for image in (fixed, warped)]
    mean_f, mean_w = (box_mean(image, 3) for image in padded)
    cross = box_mean(padded[0] * padded[1], 3) - mean_f * mean_w
    spread_f, spread_w = (
        (box_mean(p.square(), 3) - m.square()).clamp(min=0) for p, m in zip(padded, (mean_f, mean_w), strict=True)
    )
    least = 1e-3 * (spread_f.mean() * spread_w.mean()) + 1e-12
    found.append(F.avg_pool3d(cross.abs() / (spread_f * spread_w + least).sqrt(), 2)[0, 0].clamp(max=1))
    return found


def field_maps(displacement: Tensor) -> Tensor:
    """(3, d, h, w): log det J, sizes of the strain and of the second derivatives, of (3, d, h, w), (x, y, z), cells."""
    jacobian = torch.stack([torch.stack(torch.gradient(c, dim=(2, 1, 0))) for c in displacement])
    jacobian = jacobian.permute(2, 3, 4, 0, 1)
    determinant = torch.linalg.det(jacobian + torch.eye(3))
    strain = (jacobian + jacobian.transpose(-1, -2)).square().sum((-1, -2)).sqrt() / 2
    second = torch.stack([g for c in jacobian.flatten(-2).unbind(-1) for g in torch.gradient(c)])
    return torch.stack([determinant.clamp(min=0.05).log(), strain, _length(second)])


def _window_mean(cost: Tensor, reach: int) -> Tensor:
    return box_mean(F.pad(cost[None], [reach] * 6, mode="replicate"), reach)[0]


def _length(vectors: Tensor) -> Tensor:
    return vectors.square().sum(0).add(1e-12).sqrt()
