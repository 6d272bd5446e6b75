"""Ordinary pairs of images of one head, and how each is made to fail: for trust_failures.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from known_warp import random_warp, resampled, smoothed, tissue
from labelled_heads import FLAIR, SPACING_MM, T1, Head, intensities, read_head
from regexplain.torch_backend.training.multimodal.anatomies import TISSUES
from regexplain.transforms.itk import grid_points
from regexplain.volumes.geometry import Grid, as_closest_lps
from regexplain.volumes.images import read_volume
from regexplain.volumes.intensities import rescale_image, robust_rescale, tissue_box

CONTRASTS = (("T1", "FLAIR"), ("FLAIR", "T1"), ("T1", "FLAIR"), ("FLAIR", "T1"), ("T1", "T1"), ("FLAIR", "FLAIR"))
WARP_MM = 0.5, 4.0
NOISE_SD, BIAS_SD, BIAS_MM = 0.02, 0.08, 40.0
ASKED = "brain-t1-flair"
BEYOND_BRAIN = 500  # codes from here on are outside the brain
TURN_DEG, SHIFT_MM = 8.0, 8.0  # standard deviations of the pose
WRONG_MM = 6.0
JITTER_MM, JITTERED_SHARE = 5.0, 0.5
LESION_MM, CAVITY_MM = (12.0, 18.0), (15.0, 22.0)
WRONG_CONTRASTS: dict[str, dict[str, float]] = {  # beside white matter, 1; bones and air stay dark
    "T2": {"cortex": 1.5, "grey": 1.4, "fluid": 3.0, "soft": 0.9, "bone": 0.2},
    "PD": {"cortex": 1.2, "grey": 1.15, "fluid": 1.3, "soft": 0.9, "bone": 0.2},
    "CT": {"cortex": 1.06, "grey": 1.06, "fluid": 0.95, "soft": 1.03, "bone": 1.9},
}


@dataclass(frozen=True)
class Case:
    """subject: whose head. seed: of all that is random in it. names: contrasts of the fixed and the moving image.

    wrong_mm: root mean square length of a warp that takes the place of the network's answer; 0 where nothing does.
    model: that is asked.
    """

    subject: str
    seed: int
    names: tuple[str, str]
    fixed: sitk.Image
    moving: sitk.Image
    wrong_mm: float = 0.0
    model: str = "auto"

    def random(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *self.subject.encode(), *what.encode()])


class Heads:
    """Heads by name: head_NN of brain_labels, in made contrasts, head_NN_brain without skull; patientNN of ms_mni,
    without skulls, at 2 mm; patientNN_visitN of ms_longitudinal, as they came from the scanner."""

    def __init__(self, data: Path):
        self.data = data
        self._labels = cache(self._read_labels)

    def _read_labels(self, subject: str) -> Head:
        name, stripped, _ = subject.partition("_brain")
        head = read_head(self.data / "brain_labels" / f"{name}.nii.gz")
        return replace(head, codes=sitk.Mask(head.codes, head.codes < BEYOND_BRAIN)) if stripped else head

    def image(self, subject: str, contrast: str, seed: int) -> sitk.Image:
        if subject.startswith("head"):
            head: Head = self._labels(subject)
            if contrast in WRONG_CONTRASTS:
                return in_contrast(head, WRONG_CONTRASTS[contrast], seed)
            return head.seen(FLAIR if contrast == "FLAIR" else T1, seed)
        folder, _, visit = subject.partition("_")
        if visit:
            path = self.data / "ms_longitudinal" / folder / f"{visit}_{contrast}.nii.gz"
            return sitk.Cast(read_volume(path), sitk.sitkFloat32)
        image = read_volume(self.data / "ms_mni" / folder / f"{contrast}.nii.gz")
        ringing = resampled(sitk.Cast(image, sitk.sitkFloat32), SPACING_MM)  # about the brain, below the background's 0
        return sitk.Clamp(ringing, lowerBound=0.0)

    def organ(self, number: int) -> sitk.Image:
        """A prostate in MR or ultrasound, or a hippocampus, with voxels so large that it is as large as a head: its
        size gives nothing away."""
        files = [file for kind in ("mr", "us") for file in sorted(self.data.glob(f"prostate_mr_us/*_{kind}.nii.gz"))]
        files += sorted(self.data.glob("hippocampus/images/*.nii.gz"))[: len(files) // 2]
        image = sitk.Cast(read_volume(files[number * 7 % len(files)]), sitk.sitkFloat32)
        side = 170.0 / np.mean(image.GetSize())
        image.SetSpacing([side] * 3)
        return resampled(image, SPACING_MM)

    def pair(self, subject: str, seed: int) -> Case:
        """One head twice: in two contrasts, or for every third seed in one; the moving one posed and warped."""
        names = CONTRASTS[seed // 2 % len(CONTRASTS)]
        fixed, still = (self.image(subject, name, 2 * seed + k) for k, name in enumerate(names))
        case = Case(subject, seed, names, fixed, still)
        return replace(case, moving=acquired(still, case, None if subject.startswith("head") else 0.0))


def in_contrast(head: Head, table: dict[str, float], seed: int) -> sitk.Image:
    """Tissues that the table does not name are as bright as soft tissue."""
    random = np.random.default_rng([seed, 7])
    fluids = ("ventricle", "outer fluid", "eye", "perivascular space", "choroid plexus")
    groups = {"cortex": ("cortex", "cerebellar cortex"), "fluid": fluids, "bone": ("bone",), "air": ("air",)}
    groups["white"] = ("white matter", "cerebellar white matter", "brainstem", "ventral diencephalon", "optic nerve")
    groups["grey"] = ("thalamus", "caudate", "putamen", "pallidum", "accumbens", "hippocampus", "amygdala")
    of = {tissue: group for group, tissues in groups.items() for tissue in tissues}
    values = {"white": 1.0, "air": 0.0} | table
    brightness = {
        name: values[of.get(name, "soft")] * (1 + 0.03 * random.normal()) for name, codes in TISSUES.items() if codes
    }
    return head.drawn(intensities(brightness), random)


def acquired(still: sitk.Image, case: Case, warp_mm: float | None = None) -> sitk.Image:
    """The same head at another time, about the same grid: turned and shifted, warped by `warp_mm` (RMS; drawn by
    default), with noise and a bias field of its own."""
    grid, random = Grid.of(still), case.random("acquired")
    pose = sitk.Euler3DTransform()
    pose.SetCenter(grid.centre.tolist())
    pose.SetRotation(*np.radians(TURN_DEG * random.normal(size=3)).tolist())
    pose.SetTranslation((SHIFT_MM * random.normal(size=3)).tolist())
    length = random.uniform(*WARP_MM) if warp_mm is None else warp_mm
    warp = random_warp(still, tissue(still), random, length)
    darkest = float(sitk.GetArrayViewFromImage(still).min())
    array = sitk.GetArrayFromImage(grid.resample(still, sitk.CompositeTransform([pose, warp]), outside=darkest))
    slow = smoothed(random.normal(size=array.shape), BIAS_MM / float(np.mean(grid.spacing)))
    noise = NOISE_SD * bright_value(still) * random.normal(size=array.shape)
    array = darkest + np.abs((array - darkest) * np.exp(BIAS_SD * slow / slow.std()) + noise * (array > darkest))
    return grid.image(array.astype(np.float32))


# Failures: of a case, all heads and the name of another subject to the case that fails --------------------------------


def wrong_patient(case: Case, heads: Heads, other: str) -> Case:
    still = heads.image(other, case.names[1], 2 * case.seed + 1)
    return replace(case, moving=acquired(still, case, 0.0))


def missing_half(case: Case, heads: Heads, other: str) -> Case:
    """The patient's left or right half of the moving image is as dark as its darkest voxel."""
    array = sitk.GetArrayFromImage(case.moving)
    side = 1 if case.seed // 2 % 2 else -1
    array[side * positions(case.moving)[..., 0] > 0] = array.min()
    return replace(case, model=ASKED, moving=Grid.of(case.moving).image(array))


def upside_down(case: Case, heads: Heads, other: str) -> Case:
    """Turned by 180° about anterior–posterior, while the header stays."""
    return replace(case, model=ASKED, moving=flipped(case.moving, (0, 2)))


def mirrored(case: Case, heads: Heads, other: str) -> Case:
    """Left and right changed, while the header stays."""
    return replace(case, moving=flipped(case.moving, (0,)))


def motion(case: Case, heads: Heads, other: str, jitter_mm: float = JITTER_MM, share: float = JITTERED_SHARE) -> Case:
    """A share of the lines of k-space was taken while the head was elsewhere, by jitter_mm (standard deviation) a
    direction."""
    grid, random = Grid.of(case.moving), case.random("motion")
    space = np.fft.fftn(sitk.GetArrayFromImage(case.moving))
    frequencies = [np.fft.fftfreq(n, s) for n, s in zip(space.shape, reversed(grid.spacing), strict=True)]
    lines = space.shape[1]
    shifts = jitter_mm * random.normal(size=(3, lines)) * (random.random(lines) < share)
    z, y, x = np.meshgrid(*frequencies, indexing="ij", sparse=True)
    turns = z * shifts[0][:, None] + y * shifts[1][:, None] + x * shifts[2][:, None]
    moved_there = np.abs(np.fft.ifftn(space * np.exp(-2j * np.pi * turns)))
    return replace(case, moving=grid.image(moved_there.astype(np.float32)))


def lesion(case: Case, heads: Heads, other: str) -> Case:
    """A soft ball of 12 to 18 mm radius in one hemisphere of the moving image: bright on FLAIR, dark on T1."""
    random = case.random("lesion")
    bright = bright_value(case.moving)
    value = 1.3 * bright if case.names[1] == "FLAIR" else 0.3 * bright
    return replace(case, moving=with_ball(case.moving, (30.0, 0.0, 20.0), random.uniform(*LESION_MM), value, random))


def resection(case: Case, heads: Heads, other: str) -> Case:
    """A cavity of 15 to 22 mm radius below the surface of the brain, as dark as fluid."""
    random = case.random("resection")
    value = 0.2 * bright_value(case.moving)
    return replace(case, moving=with_ball(case.moving, (45.0, 0.0, 20.0), random.uniform(*CAVITY_MM), value, random))


def wrong_contrast(case: Case, heads: Heads, other: str) -> Case:
    """T2, PD or CT instead of T1 and FLAIR, where the model is asked for by its name."""
    names = ("T2", "PD", "CT")
    name = names[case.seed // 2 % 3] if case.subject.startswith("head") else "T2"
    if "visit" in case.subject:
        name = names[case.seed // 2 % 3]
        still = sitk.Cast(read_volume(heads.data / "head_contrasts" / f"one_{name}.nii.gz"), sitk.sitkFloat32)
    else:
        still = heads.image(case.subject, name, 2 * case.seed + 1)
    made = acquired(still, case, 0.0)
    return replace(case, moving=made, names=(case.names[0], name), model=ASKED)


def wrong_organ(case: Case, heads: Heads, other: str) -> Case:
    return replace(case, model=ASKED, moving=heads.organ(case.seed), names=(case.names[0], "organ"))


def wrong_field(case: Case, heads: Heads, other: str) -> Case:
    """The network's answer is replaced by a smooth warp of 6 mm. The model is named, so that it is kept."""
    return replace(case, wrong_mm=WRONG_MM, model=ASKED)


def flipped(image: sitk.Image, directions: tuple[int, ...]) -> sitk.Image:
    """Along some of L, P, S."""
    axes, array = np.abs(Grid.of(image).axes), sitk.GetArrayFromImage(image)
    for direction in directions:
        array = np.flip(array, 2 - int(axes[direction].argmax()))
    return Grid.of(image).image(np.ascontiguousarray(array))


def bright_value(image: sitk.Image) -> float:
    array = sitk.GetArrayViewFromImage(image)
    return float(np.percentile(array[array > array.mean()], 99))


def with_ball(image: sitk.Image, place, radius: float, value: float, random: np.random.Generator) -> sitk.Image:
    """place: (L, P, S) mm from the middle of the tissue, about which it lies, on the left or the right."""
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    middle = np.array(place) * (random.choice([-1, 1]), 1, 1) + random.uniform(-1, 1, 3) * (5, 25, 8)
    distance = np.linalg.norm(positions(image) - middle, axis=-1)
    share = 1 / (1 + np.exp(np.clip(distance - radius, -50, 50)))
    return Grid.of(image).image((array * (1 - share) + value * share).astype(np.float32))


def positions(image: sitk.Image) -> np.ndarray:
    """(z, y, x, 3) mm from the middle of the tissue, along the image's own axes nearest to L, P, S."""
    grid = Grid.of(image)
    return (grid_points(grid) - tissue_box(rescale_image(robust_rescale, image)).centre) @ as_closest_lps(grid).axes


FAILURES: dict[str, Callable[[Case, Heads, str], Case]] = {
    "wrong patient": wrong_patient,
    "missing half": missing_half,
    "upside down": upside_down,
    "mirrored": mirrored,
    "motion": motion,
    "resection": resection,
    "lesion": lesion,
    "wrong contrast": wrong_contrast,
    "wrong organ": wrong_organ,
    "wrong field": wrong_field,
}
