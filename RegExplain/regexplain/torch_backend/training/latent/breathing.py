"""A made torso that breathes: lungs, diaphragm, liver, heart, ribs, and the motion between its states, known exactly.

Points are LPS mm from the middle of the image. A point of a subject at rest (breathed out) goes to `breathed(point)`:
in the cavity the diaphragm goes down by the amplitude, the lung above it is stretched, what lies below is pressed
together; the chest grows to the front and the sides; and the wall does not go down, so that the lung slides along it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ....results.tables import write_csv
from ....transforms.itk import grid_points
from ....volumes.geometry import Grid, centred_grid

SIZE, SPACING_MM = (48, 40, 48), 8.0
FINER = 2  # points along a voxel's edge whose mean is its intensity
RIGHT_LUNG, LEFT_LUNG, LIVER = 1, 2, 3
MAX_MM = 40.0  # of breathing
FORWARD, SIDEWAYS = 0.10, 0.04  # growth of the chest with the most breathing
SPINE_MM = 70.0  # behind the middle; what grows, grows from there
NOISE = 0.03
AIR, FAT, MUSCLE, LUNG, BONE, BLOOD, LIVER_BRIGHTNESS = 0.0, 0.9, 0.45, 0.12, 0.25, 0.6, 0.75


@dataclass(frozen=True)
class Subject:
    """Its shape at rest, and how far its diaphragm has gone down (`amplitude_mm`)."""

    width: float
    depth: float
    apex_mm: float
    dome_mm: float
    curve_mm: float
    heart_mm: float
    liver_mm: float
    waves: np.ndarray
    amplitude_mm: float

    @classmethod
    def drawn(cls, seed: int) -> Subject:
        random = np.random.default_rng([2021, seed])
        width, depth = random.normal(1, 0.06, 2)
        apex, dome, curve = random.normal((120.0, -15.0, 35.0), (8.0, 5.0, 5.0))
        heart, liver = random.normal((45.0, 75.0), (3.0, 6.0))
        waves = random.normal(0, 0.05, (12, 3))
        return cls(width, depth, apex, dome, curve, heart, liver, waves, random.uniform(0, MAX_MM))

    def diaphragm(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """z at rest: two domes, the right one higher."""
        dome = self.dome_mm + np.where(x < 0, 8.0, 0.0)
        return dome - self.curve_mm * (((np.abs(x) - 60) / 70) ** 2 + (y / 90) ** 2)

    def in_cavity(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Within the ribs, at rest."""
        return (x / (120 * self.width)) ** 2 + (y / (80 * self.depth)) ** 2 < 1

    def breathed(self, points: np.ndarray) -> np.ndarray:
        """Where points at rest (N, 3) go."""
        x, y, z = points.T
        knots = self._knots(x, y)
        inside = self.in_cavity(x, y)
        return np.stack([*self._grown(x, y, 1), np.where(inside, _stretched(z, *knots), z)], -1)

    def at_rest(self, points: np.ndarray) -> np.ndarray:
        """Where points (N, 3) come from: undoes `breathed`."""
        x, y = self._grown(points[:, 0], points[:, 1], -1)
        apex, before, after, floor = self._knots(x, y)
        z = points[:, 2]
        return np.stack([x, y, np.where(self.in_cavity(x, y), _stretched(z, apex, after, before, floor), z)], -1)

    def _knots(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
        """Of each column: what stays above, the diaphragm before and after, and what stays below."""
        before = self.diaphragm(x, y)
        return np.full_like(x, self.apex_mm + 10), before, before - self.amplitude_mm, np.full_like(x, -260.0)

    def _grown(self, x: np.ndarray, y: np.ndarray, power: int) -> tuple[np.ndarray, np.ndarray]:
        share = self.amplitude_mm / MAX_MM
        forward, sideways = (1 + FORWARD * share) ** power, (1 + SIDEWAYS * share) ** power
        return x * sideways, SPINE_MM + (y - SPINE_MM) * forward

    def seen(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(brightness, label), (N,) each, of points (N, 3) of the subject as it has breathed."""
        x, y, z = self.at_rest(points).T
        brightness, label = np.full(len(x), AIR), np.zeros(len(x), np.uint8)
        radius = np.hypot(x / (150 * self.width), y / (110 * self.depth))
        brightness[radius < 1] = FAT
        brightness[radius < 0.92] = MUSCLE
        cavity, above = self.in_cavity(x, y), z > self.diaphragm(x, y)
        wall = np.abs(np.hypot(x / (128 * self.width), y / (87 * self.depth)) - 1) < 0.06
        brightness[wall & (np.abs((z + 0.3 * np.abs(x)) % 30 - 15) < 6)] = BONE
        brightness[np.hypot(x, y - SPINE_MM) < 18] = BONE
        side = np.abs(x) / self.width
        heart = ((x - 20) / 45) ** 2 + ((y + 25) / 40) ** 2 + ((z - self.dome_mm - 25) / self.heart_mm) ** 2 < 1
        pointed = ((side - 65) / 48) ** 2 + (y / (72 * self.depth)) ** 2 < (self.apex_mm - z) / 60
        lung = cavity & above & pointed & (side > 15) & ~heart
        liver = cavity & ~above & (((x + 50) / 90) ** 2 + (z - self.dome_mm + 35) ** 2 / self.liver_mm**2 < 1)
        brightness[cavity & heart & above] = BLOOD
        brightness[liver], label[liver] = LIVER_BRIGHTNESS, LIVER
        texture = np.sin(self.waves @ np.stack([x, y, z]) * 3).mean(0)
        brightness[lung] = LUNG + 0.25 * np.maximum(texture[lung], 0)
        label[lung & (x < 0)], label[lung & (x > 0)] = RIGHT_LUNG, LEFT_LUNG
        return brightness, label

    def images(self, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """(image, labels)."""
        coarse = grid()
        fine = centred_grid(np.zeros(3), [FINER * n for n in SIZE], [SPACING_MM / FINER] * 3, coarse.direction)
        brightness, _ = self.seen(grid_points(fine).reshape(-1, 3))
        d, h, w = SIZE[::-1]
        image = brightness.reshape(d, FINER, h, FINER, w, FINER).mean((1, 3, 5))
        image = image + np.random.default_rng([seed, 1]).normal(0, NOISE, image.shape)
        _, label = self.seen(grid_points(coarse).reshape(-1, 3))
        return coarse.image(image.astype(np.float32)), coarse.image(label.reshape(d, h, w))


def grid() -> Grid:
    return centred_grid(np.zeros(3), SIZE, [SPACING_MM] * 3, np.eye(3).ravel())


def _stretched(z: np.ndarray, top: np.ndarray, before: np.ndarray, after: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Linear between what stays and what goes from `before` to `after`."""
    above = after + (z - before) * (top - after) / (top - before)
    below = after + (z - before) * (after - floor) / (before - floor)
    return np.where((z > top) | (z < floor), z, np.where(z > before, above, below))


def write_cases(folder: Path, training: int, validation: int) -> None:
    """`images` and `labels` numbered as in the hippocampus protocol, training from 1, validation from 311, each of
    another subject, and `parameters.csv` with what is known of each."""
    rows = []
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in (*range(1, training + 1), *range(311, 311 + validation)):
        subject = Subject.drawn(number)
        for name, image in zip(("images", "labels"), subject.images(number), strict=True):
            sitk.WriteImage(image, str(folder / name / f"torso_{number:03d}.nii.gz"), True)
        rows.append(
            {"case": number, "amplitude_mm": subject.amplitude_mm}
            | {"width": subject.width, "depth": subject.depth, "apex_mm": subject.apex_mm, "dome_mm": subject.dome_mm}
        )
    write_csv(folder / "parameters.csv", rows)
