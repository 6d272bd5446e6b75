"""Label maps of whole heads as subjects: T1-like and FLAIR-like images at 2 mm, and the structures to be compared.

Simple and apart from the images that training makes: one table of contrasts, read off textbook T1 and FLAIR images of
adults, and from the seed 5 % of variation a tissue, texture, a bias field and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from known_warp import smoothed
from regexplain.torch_backend.training.multimodal.anatomies import STRUCTURES, TISSUES
from regexplain.volumes.geometry import Grid, as_closest_lps, centred_grid

SPACING_MM = 2.0
TABLE: dict[str, tuple[float, float]] = {  # T1, FLAIR; cerebral white matter is 1 in both
    "air": (0.0, 0.0),
    "white matter": (1.0, 1.0),
    "white matter lesion": (0.7, 1.7),
    "cerebellar white matter": (0.95, 1.05),
    "brainstem": (0.9, 1.05),
    "ventral diencephalon": (0.85, 1.05),
    "optic chiasm": (0.8, 0.9),
    "cortex": (0.65, 1.25),
    "cerebellar cortex": (0.65, 1.2),
    "thalamus": (0.8, 1.15),
    "caudate": (0.7, 1.25),
    "putamen": (0.75, 1.2),
    "pallidum": (0.88, 0.95),
    "accumbens": (0.7, 1.25),
    "hippocampus": (0.68, 1.3),
    "amygdala": (0.68, 1.3),
    "ventricle": (0.25, 0.2),
    "choroid plexus": (0.5, 0.9),
    "perivascular space": (0.4, 0.5),
    "outer fluid": (0.3, 0.3),
    "artery": (0.5, 0.3),
    "vein": (0.5, 0.5),
    "eye": (0.3, 0.25),
    "optic nerve": (0.7, 0.9),
    "mucosa": (0.6, 1.2),
    "skin": (0.9, 0.8),
    "spinal cord": (0.85, 1.0),
    "bone": (0.12, 0.12),
    "marrow": (0.9, 0.6),
    "pituitary": (0.75, 1.0),
    "soft tissue": (0.75, 0.6),
}
T1, FLAIR = 0, 1
TISSUE_SD = 0.05
TEXTURE_SD, TEXTURE_MM = 0.04, 4.0
BIAS_SD, BIAS_MM = 0.1, 40.0
NOISE_SD = 0.03


@dataclass
class Head:
    """structures: the number of each in STRUCTURES, from 1, at 2 mm on the grid of the images."""

    name: str
    codes: sitk.Image
    structures: sitk.Image

    def seen(self, modality: int, seed: int) -> sitk.Image:
        """T1-like or FLAIR-like. Partial volumes are those of a Gaussian of 1 mm on the map of 1 mm."""
        random = np.random.default_rng([seed, modality])
        brightness = {
            name: TABLE[name][modality] * (1 + TISSUE_SD * random.normal()) for name, codes in TISSUES.items() if codes
        }
        return self.drawn(intensities(brightness), random)

    def drawn(self, means: np.ndarray, random: np.random.Generator) -> sitk.Image:
        """means: (2**16,), the intensity of each code."""
        fine = Grid.of(self.codes).image(means[sitk.GetArrayViewFromImage(self.codes)])
        grid = Grid.of(self.structures)
        image = sitk.GetArrayFromImage(grid.resample(sitk.SmoothingRecursiveGaussian(fine, SPACING_MM / 2)))

        def field(sd: float, millimetres: float) -> np.ndarray:
            noise = smoothed(random.normal(size=image.shape), millimetres / SPACING_MM)
            return sd * noise / noise.std()

        image = image * (1 + field(TEXTURE_SD, TEXTURE_MM)) * np.exp(field(BIAS_SD, BIAS_MM))
        real, imaginary = NOISE_SD * random.normal(size=(2, *image.shape))
        return grid.image(np.hypot(image + real, imaginary).astype(np.float32))


def intensities(brightness: dict[str, float]) -> np.ndarray:
    """(2**16,), the intensity of each code, from that of each tissue; 0 for what is not named."""
    means = np.zeros(2**16, np.float32)
    for name, value in brightness.items():
        means[list(TISSUES[name])] = value
    return means


def read_head(path: Path) -> Head:
    codes = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt16)
    table = np.zeros(2**16, np.uint8)
    for number, group in enumerate(STRUCTURES.values(), 1):
        table[list(group)] = number
    own = Grid.of(codes)
    structures = own.image(table[sitk.GetArrayViewFromImage(codes)])
    straight = as_closest_lps(own)
    size = np.ceil(straight.extent / SPACING_MM).astype(int).tolist()
    grid = centred_grid(straight.centre, size, [SPACING_MM] * 3, straight.direction)
    head = bounds(sitk.GetArrayFromImage(grid.resample(codes, nearest=True)) > 0)
    return Head(path.name.removesuffix(".nii.gz"), codes, grid.resample(structures, nearest=True)[head])


def bounds(there: np.ndarray, margin: int = 4) -> tuple[slice, ...]:
    """Slices (x, y, z) of the smallest box about True (z, y, x), and a margin of cells."""
    found = [np.flatnonzero(there.any(axis=tuple({0, 1, 2} - {axis}))) for axis in (2, 1, 0)]
    return tuple(slice(max(0, int(at[0]) - margin), int(at[-1]) + 1 + margin) for at in found)
