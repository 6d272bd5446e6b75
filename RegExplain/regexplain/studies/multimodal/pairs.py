"""T1/FLAIR pairs on the model's canvas, the motion between them known.

Real heads: one modality stays, the patient's own other one is moved by a known smooth field, as in
`benchmarks/known_warp.py`. Made heads: `training/multimodal/pairs.py`, of label maps that training does not see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk
import torch
from torch import Tensor

from ...errors import BadInputError
from ...progress import Progress
from ...torch_backend.inference.model import Model
from ...torch_backend.spatial.warp import compose, resize_displacement, warp
from ...torch_backend.training.multimodal.anatomies import CELL_MM, Anatomy, read_anatomies
from ...torch_backend.training.multimodal.fields import smooth_noise
from ...torch_backend.training.multimodal.pairs import same_subject
from ...torch_backend.training.multimodal.visits import rigidly_registered
from ...volumes.images import read_volume

MODALITIES = ("T1", "FLAIR")
ALIGNED, NATIVE, LABELS = "ms_mni", "ms_longitudinal", "brain_labels"  # folders of the data
HELD_OUT_VISITS = ("patient12",)
HELD_OUT_HEADS = [13, 14, 15, 16]
WIDTH_MM, RMS_MM = 12.0, 4.0
TISSUE_SHARE = 0.05  # of the 99th percentile


@dataclass(eq=False)
class Pair:
    """fixed, moving: (1, 1, D, H, W) in [0, 1]; modalities: theirs. inside: (D, H, W), 1 in the fixed image's tissue.

    undo: (1, 3, D, H, W) canvas voxels: where in fixed the tissue of each point of moving lies.
    still: moving's modality where fixed is, unmoved. spacing: mm a voxel, (x, y, z).
    """

    name: str
    source: str
    modalities: tuple[str, str]
    fixed: Tensor
    moving: Tensor
    inside: Tensor
    undo: Tensor
    still: Tensor
    spacing: tuple[float, ...]

    @property
    def head(self) -> str:
        return self.name.partition(",")[0]

    def error_mm(self, displacement: Tensor) -> float:
        """Mean over the tissue of how far from itself a point ends that goes to moving and is taken back by `undo`."""
        return self.mean_mm(compose(self.undo, displacement))

    def mean_mm(self, vectors: Tensor, inside: Tensor | None = None) -> float:
        """Mean length over the tissue of (1, 3, D, H, W) canvas voxels."""
        millimetres = vectors.new_tensor(self.spacing).view(1, 3, 1, 1, 1)
        lengths = (vectors * millimetres).norm(dim=1)[0]
        return float(lengths[(self.inside if inside is None else inside) > 0.5].mean())

    def of_one_modality(self) -> Pair:
        """The same motion between two images of one modality: fixed, and fixed itself moved."""
        return replace(self, moving=warp(self.fixed, self.undo, padding="zeros"), modalities=(self.modalities[0],) * 2)

    def identical(self) -> Pair:
        moved = torch.zeros_like(self.undo)
        return replace(self, moving=self.fixed, undo=moved, modalities=(self.modalities[0],) * 2)


Maker = Callable[[int, int], Pair]  # of a head: (seed, which modality is fixed) to a pair


def ordinary_pairs(model: Model, data: Path, count: int, progress: Progress) -> list[Pair]:
    """`count` pairs over all heads in turn, either modality fixed by turns. Raises BadInputError without any head."""
    if not data.is_dir():
        raise BadInputError(f"There is no folder {data}; --data takes one with {ALIGNED}, {NATIVE} and {LABELS}.")
    heads = makers(model, data, progress)
    if not heads:
        raise BadInputError(f"{data} has none of {ALIGNED}, {NATIVE} and {LABELS} with images; choose another --data.")
    pairs = []
    for k in range(count):
        seed, head = divmod(k, len(heads))
        pairs.append(heads[head](seed, (seed + head) % 2))
        progress.report("Making pairs", k + 1, count)
    return pairs


def makers(model: Model, data: Path, progress: Progress) -> list[Maker]:
    """One a head; what is absent is left out with a warning."""
    visits = sorted(path for path in (data / ALIGNED).glob("*") if has_both(path))
    if not visits:
        progress.warn(f"{ALIGNED} with T1.nii.gz and FLAIR.nii.gz is not in the data; its pairs are left out.")
    pairs = [aligned_head(model, path) for path in visits]
    native = [file for name in HELD_OUT_VISITS for file in sorted((data / NATIVE / name).glob("*_T1.nii.gz"))]
    native = [file for file in native if flair_of(file).exists()]
    if not native:
        progress.warn(f"{NATIVE} with {', '.join(HELD_OUT_VISITS)} is not in the data; its pairs are left out.")
    pairs += [native_head(model, file) for file in native]
    return pairs + synthetic_heads(model, data / LABELS, progress)


def has_both(folder: Path) -> bool:
    return all((folder / f"{modality}.nii.gz").exists() for modality in MODALITIES)


def flair_of(t1_file: Path) -> Path:
    return t1_file.with_name(t1_file.name.replace("_T1", "_FLAIR"))


def aligned_head(model: Model, folder: Path) -> Maker:
    t1, flair = (read_volume(folder / f"{modality}.nii.gz", modality) for modality in MODALITIES)
    return real_head(model, f"{ALIGNED} {folder.name}", ALIGNED, t1, flair)


def native_head(model: Model, t1_file: Path) -> Maker:
    """The two are registered rigidly by mutual information; what that misses counts as error."""
    t1, flair = read_volume(t1_file, "T1"), read_volume(flair_of(t1_file), "FLAIR")
    return real_head(model, f"{NATIVE} {t1_file.parent.name}", NATIVE, t1, flair, rigidly_registered(t1, flair))


def real_head(
    model: Model, name: str, source: str, t1: sitk.Image, flair: sitk.Image, alignment: sitk.Transform | None = None
) -> Maker:
    canvas = model.canvas(t1)
    volumes = model.volume(t1, canvas), model.volume(flair, canvas, alignment)
    inside = tissue(volumes)

    def pair(seed: int, first: int) -> Pair:
        undo = smooth_motion(inside, canvas.spacing, seed).to(model.device)
        fixed, still = volumes[first], volumes[1 - first]
        moving = warp(still, undo, padding="zeros")
        names = MODALITIES[first], MODALITIES[1 - first]
        title = f"{name}, {names[0]} fixed, motion {seed + 1}"
        return Pair(title, source, names, fixed, moving, inside, undo, still, canvas.spacing)

    return pair


def synthetic_heads(model: Model, folder: Path, progress: Progress) -> list[Maker]:
    present = [n for n in HELD_OUT_HEADS if any(folder.glob(f"*{n}.nii.gz"))]
    if not present or any(abs(s - CELL_MM) > 1e-6 for s in model.card.canvas_spacing):
        progress.warn(f"{LABELS} 13 to 16 for a canvas of 2 mm are not there; synthetic pairs are left out.")
        return []
    return [synthetic_head(model, anatomy) for anatomy in read_anatomies(folder, present)]


def synthetic_head(model: Model, anatomy: Anatomy) -> Maker:
    def pair(seed: int, first: int) -> Pair:
        number = 1000 * anatomy.number + 100 * seed
        while True:  # until one of either modality is drawn, in the order that is wanted
            training_pair = same_subject(anatomy, torch.Generator().manual_seed(number), model.card.canvas_size)
            modalities = int(training_pair.fixed_modality), int(training_pair.moving_modality)
            if modalities == (first, 1 - first):
                break
            number += 1
        shape = training_pair.fixed.shape[1:]
        images = [
            image[None].to(model.device)
            for image in (training_pair.fixed, training_pair.moving, training_pair.aligned_other)
        ]
        undo = resize_displacement(training_pair.inverse[None], shape).to(model.device)
        inside = torch.nn.functional.interpolate(training_pair.weight[None], size=tuple(shape))[0, 0].to(model.device)
        names = MODALITIES[first], MODALITIES[1 - first]
        title = f"{LABELS} {anatomy.number}, {names[0]} fixed, motion {seed + 1}"
        spacing = tuple(model.card.canvas_spacing)
        return Pair(title, LABELS, names, images[0], images[1], inside, undo, images[2], spacing)

    return pair


def tissue(volumes: tuple[Tensor, Tensor]) -> Tensor:
    """(D, H, W): 1 where the T1 (the first) is brighter than a twentieth of its 99th percentile and FLAIR is seen."""
    t1, flair = (volume[0, 0] for volume in volumes)
    bright = torch.quantile(t1.flatten()[:: max(1, t1.numel() // 10**6)], 0.99)
    return ((t1 > TISSUE_SHARE * bright) & (flair > 0)).float()


def smooth_motion(inside: Tensor, spacing, seed: int) -> Tensor:
    """(1, 3, D, H, W) canvas voxels: noise smoothed by a Gaussian of 12 mm, 4 mm root mean square length `inside`."""
    shape = [n // 2 for n in inside.shape]
    half_mm = 2 * float(sum(spacing)) / 3
    noise = smooth_noise(3, shape, WIDTH_MM / half_mm, torch.Generator().manual_seed(seed))
    field = resize_displacement(noise, inside.shape).to(inside.device)
    millimetres = field.new_tensor(spacing).view(1, 3, 1, 1, 1)
    lengths = (field * millimetres).square().sum(1)[0]
    return field * (RMS_MM / lengths[inside > 0.5].mean().sqrt())
