"""Whole-head label maps as subjects: what tissue each cell holds, and which structures it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from ....volumes.case_files import case_number
from ....volumes.geometry import Grid, as_closest_lps, centred_grid

CELL_MM = 2.0
LABELS_MM = 1.0
CELLS = 128
MARGIN = 4  # cells of air that stay about the head
SUBCUTANEOUS_MM = 10.0  # soft tissue this near to the air is mostly fat
DEPTH_CELLS = 6  # beyond it, distance from the brain is not told apart

# Codes of FreeSurfer, and from 500 on of the tissues about the brain; left and right are one tissue.
TISSUES: dict[str, tuple[int, ...]] = {
    "air": (0,),
    "white matter": (2, 41),
    "white matter lesion": (25, 57),
    "cerebellar white matter": (7, 46),
    "brainstem": (16,),
    "ventral diencephalon": (28, 60),
    "optic chiasm": (85,),
    "cortex": (3, 42),
    "cerebellar cortex": (8, 47),
    "thalamus": (10, 49),
    "caudate": (11, 50),
    "putamen": (12, 51),
    "pallidum": (13, 52),
    "accumbens": (26, 58),
    "hippocampus": (17, 53),
    "amygdala": (18, 54),
    "ventricle": (4, 43, 5, 44, 14, 15, 72),
    "choroid plexus": (136, 163, 137, 164),
    "perivascular space": (30, 62),
    "outer fluid": (24,),
    "artery": (502,),
    "vein": (514,),
    "eye": (506,),
    "optic nerve": (508,),
    "mucosa": (509,),
    "skin": (511,),
    "spinal cord": (512,),
    "bone": (515,),
    "marrow": (516,),
    "pituitary": (530,),
    "soft tissue": (507,),
    "fat": (),  # soft tissue near the skin
}
TISSUE = {name: index for index, name in enumerate(TISSUES)}

# The large structures on which registrations are compared: (left codes, right codes), or codes of the midline.
_SIDED: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "white matter": ((2, 25), (41, 57)),
    "cortex": ((3,), (42,)),
    "lateral ventricle": ((4, 5, 136, 137), (43, 44, 163, 164)),
    "cerebellar white matter": ((7,), (46,)),
    "cerebellar cortex": ((8,), (47,)),
    "thalamus": ((10,), (49,)),
    "caudate": ((11,), (50,)),
    "putamen": ((12,), (51,)),
    "pallidum": ((13,), (52,)),
    "hippocampus": ((17,), (53,)),
    "amygdala": ((18,), (54,)),
}
_MIDLINE: dict[str, tuple[int, ...]] = {"brainstem": (16,), "third and fourth ventricle": (14, 15)}
STRUCTURES: dict[str, tuple[int, ...]] = {
    **{f"{side} {name}": codes[k] for name, codes in _SIDED.items() for k, side in enumerate(("left", "right"))},
    **_MIDLINE,
}
# Structure k of a mirrored head is structure MIRRORED[k] of the head itself.
MIRRORED = [k ^ 1 if k < 2 * len(_SIDED) else k for k in range(len(STRUCTURES))]


@dataclass(eq=False)
class Anatomy:
    """One head on cells of 2 mm along L, P, S; arrays (z, y, x), cropped to the head.

    A cell holds `share` / 8 of tissue `first`, the rest is `second`; `structures` is 1 + the index in STRUCTURES of
    most of the cell, 0 where it is none. `depth`: cells from the border of the brain (without the fluid about it),
    negative inside, at most ± DEPTH_CELLS. `near_ventricle`: in [0, 1]. `centroids` (L, 3) of the structures, cells
    (x, y, z), NaN where absent; `counts` of the cells of each tissue; `brain` (N, 3): its cells (x, y, z).
    """

    number: int
    first: Tensor
    second: Tensor
    share: Tensor
    structures: Tensor
    depth: Tensor
    near_ventricle: Tensor
    centroids: Tensor
    counts: Tensor
    brain: Tensor
    alignments: dict[int, Tensor] = field(default_factory=dict)

    @property
    def centre(self) -> Tensor:
        """The brain's middle, (x, y, z) cells."""
        return self.brain.float().mean(0)

    def alignment(self, other: Anatomy) -> Tensor:
        """(3, 4), cells of this head to cells of the other: the affine map nearest to the structures' centroids."""
        if other.number not in self.alignments:
            both = (self.centroids.isfinite() & other.centroids.isfinite()).all(1)
            points = torch.cat([self.centroids[both], torch.ones(int(both.sum()), 1)], 1)
            self.alignments[other.number] = torch.linalg.lstsq(points, other.centroids[both]).solution.T.contiguous()
        return self.alignments[other.number]


def read_anatomies(folder: str | Path, numbers: list[int] | None = None) -> list[Anatomy]:
    """The label maps of `folder` whose number (the digits of the file's name) is in `numbers`; all without it."""
    files = {case_number(file): file for file in sorted(Path(folder).glob("*.nii.gz"))}
    return [read_anatomy(files[n]) for n in (sorted(files) if numbers is None else numbers)]


def read_anatomy(file: str | Path) -> Anatomy:
    labels = sitk.Cast(sitk.ReadImage(str(file)), sitk.sitkUInt16)
    own = as_closest_lps(Grid.of(labels))
    scale = round(CELL_MM / LABELS_MM)
    grid = centred_grid(own.centre, [CELLS * scale] * 3, [LABELS_MM] * 3, own.direction)
    return anatomy_of(sitk.GetArrayFromImage(grid.resample(labels, nearest=True)), case_number(Path(file)))


def anatomy_of(codes: np.ndarray, number: int) -> Anatomy:
    """The anatomy of a label map (z, y, x) of codes on cells of 1 mm along L, P, S; even sizes.

    Cells of 2 mm hold whole 2 × 2 × 2 blocks, so nothing is shifted by half a cell.
    """
    codes = _cropped(codes)
    tissue = _table(TISSUES.values())[codes]
    tissue[_soft_tissue_near_air(tissue)] = TISSUE["fat"]
    first, second, share = _two_most_frequent(_blocks(tissue))
    structure = _blocks(_table([(), *STRUCTURES.values()])[codes])
    structures, _, _ = _two_most_frequent(structure)
    brain = _two_most_frequent(_blocks(((codes > 0) & (codes < 500) & (codes != 24)).astype(np.uint8)))[0]
    depth = sitk.SignedMaurerDistanceMap(sitk.GetImageFromArray(brain), squaredDistance=False)
    ventricle = sitk.GetImageFromArray((first == TISSUE["ventricle"]).astype(np.float32))
    near = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(ventricle, 3.0))
    centroids = [
        np.argwhere(structures == k + 1).mean(0)[::-1] if (structures == k + 1).any() else np.full(3, np.nan)
        for k in range(len(STRUCTURES))
    ]
    return Anatomy(
        number,
        torch.from_numpy(first),
        torch.from_numpy(second),
        torch.from_numpy(share),
        torch.from_numpy(structures),
        torch.from_numpy(np.clip(sitk.GetArrayFromImage(depth), -DEPTH_CELLS, DEPTH_CELLS).astype(np.float32)),
        torch.from_numpy(np.clip(near / 0.25, 0, 1).astype(np.float32)),
        torch.tensor(np.array(centroids), dtype=torch.float32),
        torch.from_numpy(np.bincount(first.ravel(), minlength=len(TISSUES))),
        torch.from_numpy(np.ascontiguousarray(np.argwhere(brain)[:, ::-1])),
    )


def _cropped(codes: np.ndarray) -> np.ndarray:
    """The head and a margin, in whole cells of 4 mm counted from the corner."""
    slices = []
    for axis in range(3):
        there = np.flatnonzero(codes.any(axis=tuple(a for a in range(3) if a != axis)))
        first = max(0, there[0] // 4 * 4 - 2 * MARGIN)
        slices.append(slice(first, min(codes.shape[axis], -(-(there[-1] + 1) // 4) * 4 + 2 * MARGIN)))
    return codes[tuple(slices)]


def _table(groups) -> np.ndarray:
    """Code → index of the group that holds it, 0 for codes of none."""
    table = np.zeros(2**16, np.uint8)
    for index, codes in enumerate(groups):
        table[list(codes)] = index
    return table


def _soft_tissue_near_air(tissue: np.ndarray) -> np.ndarray:
    """Of the air outside the head; that in it touches mucosa and bone. Box-shaped neighbourhoods of 2 mm cells."""
    outside = sitk.GetImageFromArray((tissue[::2, ::2, ::2] == TISSUE["air"]).astype(np.uint8))
    outside = sitk.BinaryMorphologicalOpening(outside, [4, 4, 4])  # keeps no cavities
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(outside, [round(SUBCUTANEOUS_MM / CELL_MM)] * 3))
    near = near.repeat(2, 0).repeat(2, 1).repeat(2, 2)[tuple(slice(n) for n in tissue.shape)]
    return (tissue == TISSUE["soft tissue"]) & (near > 0)


def _blocks(fine: np.ndarray) -> np.ndarray:
    """(8, z, y, x): the eight voxels of each cell of twice the size."""
    z, y, x = (n // 2 for n in fine.shape)
    return fine.reshape(z, 2, y, 2, x, 2).transpose(1, 3, 5, 0, 2, 4).reshape(8, z, y, x)


def _two_most_frequent(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The most frequent value of each column of (8, …) uint8, the next one, and the count of the first among 8.

    Where no value leads, a fixed lot decides: always the smaller would move all borders to one side.
    """
    lot = np.random.default_rng(0).random(values.shape, np.float32)
    first, count = _most_frequent(values, lot, np.ones(values.shape, bool))
    second, others = _most_frequent(values, lot, values != first)
    return first, np.where(others > 0, second, first).astype(np.uint8), count.astype(np.uint8)


def _most_frequent(values: np.ndarray, lot: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros(values.shape, np.uint8)
    for k in range(len(values)):
        counts += values == values[k]
    counts *= allowed
    chosen = (counts + 0.9 * lot).argmax(0)[None]
    return np.take_along_axis(values, chosen, 0)[0], np.take_along_axis(counts, chosen, 0)[0]
