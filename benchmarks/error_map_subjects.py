"""Whose images the error map learns from and is judged on: images of one subject that lie on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from error_map_warps import degraded, recontrasted
from known_warp import resampled, smoothed
from labelled_heads import FLAIR, T1, Head, intensities, read_head
from regexplain.torch_backend.training.multimodal.anatomies import TISSUES
from regexplain.torch_backend.training.multimodal.visits import read_visit
from regexplain.volumes.geometry import Grid
from regexplain.volumes.images import read_volume
from regexplain.volumes.intensities import tissue_mask

SPLIT = {  # by subject: nobody is in two parts; other organs are tested alone
    "train": ["patient07", "patient01 visit1", "patient01 visit2", "patient03 visit2", "patient04 visit1"]
    + [f"head_{n:02d}" for n in range(1, 9)]
    + [f"shapes_{n:02d}" for n in range(1, 13)],
    "calibrate": ["patient12 visit1"]
    + [f"head_{n:02d}" for n in range(9, 13)]
    + [f"shapes_{n:02d}" for n in range(13, 17)],
    "test": ["patient19", "one_T2", "one_PD", "one_CT"]
    + [f"head_{n:02d}" for n in range(13, 17)]
    + [f"shapes_{n:02d}" for n in range(17, 20)]
    + [f"hippocampus_{n:03d}" for n in (311, 317, 325, 333)]
    + [f"prostate_{n:06d}" for n in range(8, 12)],
}
SPACING_MM = 2.0
MAX_MM = 104.0  # not less than 100: a smaller image has other cells
BRAIN_CODES = 500  # and above: outside the brain
SPECKLE = 0.4
MADE = ("any 1", "any 2")  # contrasts that are made


@dataclass(frozen=True)
class Subject:
    """images: of one subject, by contrast, on each other; fine: the same with smaller voxels, where there are."""

    name: str
    images: dict[str, sitk.Image]
    fine: dict[str, sitk.Image] | None = None


def read_subject(data: Path, name: str, names: tuple[str, str], whole: bool, random: np.random.Generator) -> Subject:
    """whole: or a random part of a made head."""
    kind = name.split("_")[0]
    if kind == "head":
        return made_subject(data, name, names, whole, random)
    if kind == "shapes":
        return Subject(name, texture(names, random))
    if kind in SINGLE:
        return single_subject(name, SINGLE[kind](data, name), random)
    return visit_subject(data, name) if " " in name else stripped_subject(data, name)


def two_contrasts(subject: str, random: np.random.Generator) -> tuple[str, str]:
    """T1 and FLAIR mostly; else any two, or the same twice."""
    kind = subject.split("_")[0]
    if kind == "shapes":
        return "any 1", "any 2"
    if kind in SINGLE:
        names = [own_contrast(subject), *MADE]
        pair = random.choice(names, 2, replace=kind == "hippocampus").tolist()
        return pair[0], pair[1]
    names = ["T1", "FLAIR", *(MADE if kind == "head" else () if " " in subject else ("T2",))]
    pair = ["T1", "FLAIR"] if random.random() < 0.6 else random.choice(names, 2, replace=random.random() < 0.3).tolist()
    first, second = random.permutation(pair).tolist()
    return first, second


def own_contrast(subject: str) -> str:
    kind, which = subject.split("_")
    if kind == "prostate":
        return "MR" if int(which) % 2 else "US"
    return which if kind == "one" else "T1"


@lru_cache
def stripped_subject(data: Path, name: str) -> Subject:
    folder = data / "ms_mni" / name
    fine = {c: sitk.Cast(read_volume(folder / f"{c}.nii.gz"), sitk.sitkFloat32) for c in ("T1", "T2", "FLAIR")}
    return Subject(name, {c: resampled(image, SPACING_MM) for c, image in fine.items()}, fine)


@lru_cache
def visit_subject(data: Path, name: str) -> Subject:
    patient, visit = name.split()
    files = (data / "ms_longitudinal" / patient / f"{visit}_{c}.nii.gz" for c in ("T1", "FLAIR"))
    found = read_visit(*files)
    grid = Grid(tuple(reversed(found.head.shape)), (SPACING_MM,) * 3, (0.0, 0.0, 0.0), tuple(np.eye(3).ravel()))
    arrays = found.volumes.numpy() * found.head.numpy()
    return Subject(name, {c: grid.image(a) for c, a in zip(("T1", "FLAIR"), arrays, strict=True)})


def single_subject(name: str, image: sitk.Image, random: np.random.Generator) -> Subject:
    """One image, and the same anatomy in contrasts that were made of it."""
    speckle = SPECKLE * name.startswith("prostate")
    return Subject(name, {own_contrast(name): image} | {c: recontrasted(image, random, speckle) for c in MADE})


@lru_cache
def one_contrast(data: Path, name: str) -> sitk.Image:
    return resampled(sitk.Cast(read_volume(data / "head_contrasts" / f"{name}.nii.gz"), sitk.sitkFloat32), SPACING_MM)


def hippocampus(data: Path, name: str) -> sitk.Image:
    return sitk.Cast(read_volume(data / "hippocampus" / "images" / f"{name}.nii.gz"), sitk.sitkFloat32)


def prostate(data: Path, name: str) -> sitk.Image:
    file = f"{name.removeprefix('prostate_')}_{own_contrast(name).lower()}.nii.gz"
    return sitk.Cast(read_volume(data / "prostate_mr_us" / file), sitk.sitkFloat32)


SINGLE: dict[str, Callable[[Path, str], sitk.Image]] = {
    "one": one_contrast,
    "hippocampus": hippocampus,
    "prostate": prostate,
}


def made_subject(data: Path, name: str, names, whole: bool, random: np.random.Generator) -> Subject:
    """T1-like, FLAIR-like, or of any contrast; half of them without what lies outside the brain."""
    head = cached_head(data / "brain_labels" / f"{name}.nii.gz")
    if not whole:
        head = part_of(head, random)
    seed, images = int(random.integers(2**31)), {}
    for contrast in dict.fromkeys(names):
        if contrast in ("T1", "FLAIR"):
            images[contrast] = head.seen(FLAIR if contrast == "FLAIR" else T1, seed)
        else:
            brightness = {name: 0.0 if name == "air" else random.uniform(0.1, 1) for name in TISSUES}
            images[contrast] = head.drawn(intensities(brightness), random)
    if random.random() < 0.5:
        grid = Grid.of(head.structures)
        brain = Grid.of(head.codes).image((sitk.GetArrayViewFromImage(head.codes) < BRAIN_CODES).astype(np.uint8))
        inside = sitk.GetArrayFromImage(grid.resample(brain, nearest=True))
        images = {c: grid.image(sitk.GetArrayFromImage(image) * inside) for c, image in images.items()}
    return Subject(name, images)


def texture(names: tuple[str, str], random: np.random.Generator) -> dict[str, sitk.Image]:
    """No anatomy: smooth noise of two scales in a ball in air, its intensities carried along another curve in each."""
    size = round(MAX_MM / SPACING_MM)
    parts = [random.normal(size=(size,) * 3) for _ in range(2)]
    widths = random.uniform(0.8, 2.5), random.uniform(2.0, 5.0)
    smooth = [smoothed(part, width) for part, width in zip(parts, widths, strict=True)]
    pattern = sum(part / part.std() for part in smooth)
    z, y, x = np.ogrid[(slice(-1, 1, size * 1j),) * 3]
    inside = x**2 + y**2 + z**2 < random.uniform(0.7, 1.6)
    images = {}
    for name in names:
        curve = random.uniform(0.2, 1, 5) if random.random() < 0.6 else np.linspace(0.3, 1, 5)
        array = np.where(inside, np.interp(pattern, np.linspace(-3, 3, 5), curve), 0)
        array = np.abs(array + random.uniform(0.003, 0.03) * random.normal(size=array.shape))
        images[name] = sitk.GetImageFromArray(array.astype(np.float32))
        images[name].SetSpacing((SPACING_MM,) * 3)
    return images


def part_of(head: Head, random: np.random.Generator) -> Head:
    """A random cube of MAX_MM about a place in the brain."""
    brain = np.argwhere(sitk.GetArrayViewFromImage(head.structures) > 0)[:, ::-1]
    middle = brain[random.integers(len(brain))] + random.uniform(-10, 10, 3)
    most = round(MAX_MM / SPACING_MM)
    low = np.clip(middle - most // 2, 0, np.maximum(0, np.array(head.structures.GetSize()) - most)).astype(int)
    box = head.structures[tuple(slice(int(at), int(at) + most) for at in low)]
    corners = Grid.of(box).corners
    index = np.array([head.codes.TransformPhysicalPointToContinuousIndex(c) for c in corners.tolist()])
    first = np.clip(np.floor(index.min(0)) - 4, 0, None).astype(int)
    last = np.minimum(np.ceil(index.max(0)) + 5, head.codes.GetSize()).astype(int)
    return Head(head.name, head.codes[tuple(map(slice, first.tolist(), last.tolist()))], box)


cached_head = lru_cache(2)(read_head)


def cut(subject: Subject, random: np.random.Generator) -> Subject:
    """A random cube of at most MAX_MM of what holds tissue: other engines than the networks need no whole head."""
    first = next(iter(subject.images.values()))
    if Grid.of(first).extent.max() < MAX_MM + SPACING_MM:
        return subject
    inside = np.argwhere(tissue_mask(first))[:, ::-1]
    low, high = inside.min(0) - 3, inside.max(0) + 4
    most = round(MAX_MM / SPACING_MM)
    low = np.where(high - low > most, low + random.uniform(0, 1, 3) * (high - low - most), low).astype(int)
    low, high = np.maximum(low, 0), np.minimum(np.minimum(high, low + most), first.GetSize())
    images = {c: image[tuple(map(slice, low.tolist(), high.tolist()))] for c, image in subject.images.items()}
    if subject.fine is None:
        return Subject(subject.name, images)
    ratio = SPACING_MM / np.array(next(iter(subject.fine.values())).GetSpacing())
    box = tuple(map(slice, (low * ratio).astype(int).tolist(), (high * ratio).astype(int).tolist()))
    return Subject(subject.name, images, {c: image[box] for c, image in subject.fine.items()})


def degraded_subject(
    subject: Subject, names: tuple[str, str], random: np.random.Generator
) -> tuple[sitk.Image, sitk.Image]:
    """Both images, degraded each in its way."""
    images = subject.fine if subject.fine and random.random() < 0.5 else subject.images
    first, second = (degraded(images[name], random) for name in names)
    return first, second
