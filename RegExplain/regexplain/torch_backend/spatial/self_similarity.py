"""What an image is like around each voxel, nearly the same in every contrast."""

from __future__ import annotations

from functools import reduce
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor


def mind_ssc(image: Tensor, radius: int = 1, dilation: int = 2, floor: float = 0.01) -> Tensor:
    """Self-similarity context (Heinrich et al. 2013) of (B, 1, D, H, W): (B, 12, D, H, W) in (0, 1].

    exp(−(d − min d) / mean d) of the mean squared differences d between cubes of 2 · radius + 1 voxels about two of the
    six voxels `dilation` away along an axis, for the 12 pairs that are not opposite; minimum and mean over the pairs.
    Three planes, (x, y), (x, z), (y, z), each with its pairs (+, +), (−, −), (+, −), (−, +). No linear change of the
    intensities alters it, inversion included. floor: share of the image's own average of the mean below which it is not
    divided by less: noise in flat tissue is no evidence. Beyond its border the image goes on as it ends there.
    """
    margin = radius + dilation
    padded = F.pad(image, [margin] * 6, mode="replicate")
    pairs = [pair for axes in combinations((4, 3, 2), 2) for pair in _plane(padded, *axes, radius, dilation)]
    distance = torch.cat(pairs, 1)
    distance = distance - distance.amin(1, keepdim=True)
    mean = distance.mean(1, keepdim=True)
    least = floor * mean.mean((2, 3, 4), keepdim=True) + 1e-12  # an image of one value is like itself everywhere
    return torch.exp(-distance / torch.maximum(mean, least))


def _plane(padded: Tensor, a: int, b: int, radius: int, dilation: int) -> list[Tensor]:
    """Distances of the pairs (+a, +b), (−a, −b), (+a, −b), (−a, +b). Two of them compare the same two cubes, about
    another voxel: four pairs are two differences, each read twice."""
    d = dilation
    rest = ({2, 3, 4} - {a, b}).pop()
    size = {axis: padded.shape[axis] - 2 * (radius + d) for axis in (2, 3, 4)}
    flat = padded.narrow(rest, d, padded.shape[rest] - 2 * d)  # nothing moves along the third axis

    def shifted(along_a: int, along_b: int) -> Tensor:
        """Shifts of 0 or d, cut to where both of two images with such shifts lie."""
        return flat.narrow(a, along_a, flat.shape[a] - d).narrow(b, along_b, flat.shape[b] - d)

    def crop(distances: Tensor, along_a: int, along_b: int) -> Tensor:
        return distances.narrow(a, along_a, size[a]).narrow(b, along_b, size[b])

    falling = box_mean((shifted(d, 0) - shifted(0, d)).square(), radius)  # cubes at (d, 0) and (0, d)
    rising = box_mean((shifted(d, d) - shifted(0, 0)).square(), radius)  # cubes at (d, d) and (0, 0)
    return [crop(falling, d, d), crop(falling, 0, 0), crop(rising, d, 0), crop(rising, 0, d)]


def box_mean(image: Tensor, radius: int) -> Tensor:
    """Means over cubes of 2 · radius + 1 voxels that lie inside (B, C, D, H, W); axis by axis, which is far faster on a
    processor than torch's pooling."""
    for axis in (2, 3, 4):
        size = image.shape[axis] - 2 * radius
        image = reduce(torch.add, (image.narrow(axis, k, size) for k in range(2 * radius + 1)))
    return image / (2 * radius + 1) ** 3
