#!/usr/bin/env python
"""Make the second sample pair: a drawn chest, breathed out in CT-like and breathed in in MR-like intensities.

    python tools/make_chest_pair.py --output RegExplain/Resources/SampleData/chest

Nothing in it comes from a person: ellipsoids, arcs and random vessels, and a breath that is known. The same seed gives
the same images. Points are LPS mm from the middle.
"""

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SIZE, SPACING_MM = (88, 64, 72), (4.0, 4.0, 4.5)
MOVING_SIZE, MOVING_SPACING_MM = (100, 76, 60), (3.6, 3.6, 6.0)
DIAPHRAGM_MM, RIBS_MM = 20.0, 6.0  # how far a breath moves them
VESSELS = 60
LABELS = {"lungs": 1, "heart": 2, "liver": 3}
TISSUES = "air", "fat", "muscle", "lung", "vessel", "heart", "liver", "bone"
CT = dict(zip(TISSUES, (-1000, -90, 50, -820, 30, 45, 65, 420), strict=True))
MR = dict(zip(TISSUES, (4, 620, 260, 25, 150, 330, 390, 90), strict=True))


def ellipsoid(points, middle, radii):
    """Below 1 inside."""
    return np.sqrt((((points - middle) / radii) ** 2).sum(-1))


def chest(points, random):
    """The name of the tissue at points (..., 3) of the breathed-out chest, as an index of TISSUES."""
    x, y, z = np.moveaxis(points, -1, 0)
    inside = ellipsoid(points[..., :2], (0, 0), (150, 105))
    tissue = np.where(inside < 1, TISSUES.index("fat"), 0)
    tissue[inside < 0.9] = TISSUES.index("muscle")
    dome = -60 + 45 * np.exp(-((np.abs(x) - 70) ** 2 + y**2) / 60**2)
    rib = (np.abs(inside - 0.82) < 0.04) & (np.abs((z + 0.25 * y) % 28 - 14) < 5)
    tissue[rib | (ellipsoid(points[..., :2], (0, 70), (16, 16)) < 1)] = TISSUES.index("bone")
    lung = np.zeros(x.shape, bool)
    for side in (-1, 1):
        lung |= (ellipsoid(points, (side * 68, 0, -20), (52, 72, 140)) < 1) & (z > dome)
    tissue[lung] = TISSUES.index("lung")
    for _ in range(VESSELS):
        side = random.choice((-1, 1))
        start = np.array((side * 30.0, 5.0, 10.0))
        way = random.normal(size=3) * (35, 45, 60) + (side * 35, 0, 0)
        along = np.clip(((points - start) @ way) / (way @ way), 0, 1)[..., None]
        bent = start + along * way + 6 * np.sin(3 * along) * random.normal(size=3)
        near = np.linalg.norm(points - bent, axis=-1) < random.uniform(2.0, 4.5) * (1.2 - 0.7 * along[..., 0])
        tissue[near & lung] = TISSUES.index("vessel")
    tissue[ellipsoid(points, (18, -20, -20), (48, 42, 48)) < 1] = TISSUES.index("heart")
    below = (z < dome - 4) & (inside < 0.78)
    tissue[below & (ellipsoid(points, (-45, 0, -120), (95, 75, 90)) < 1)] = TISSUES.index("liver")
    return tissue


def breathed_out(points):
    """Where points of the breathed-in chest lie in the breathed-out one."""
    low = np.exp(-(((points[..., 2] + 60) / 75) ** 2)) * np.exp(-((points[..., :2] / (150, 110)) ** 2).sum(-1))
    front = np.clip(-points[..., 1] / 105, 0, 1) * np.exp(-((points[..., 2] / 110) ** 2))
    moved = points.copy()
    moved[..., 2] += DIAPHRAGM_MM * low
    moved[..., 1] += RIBS_MM * front
    return moved


def grid_of(size, spacing):
    image = sitk.Image([int(n) for n in size], sitk.sitkInt16)
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) / 2 * s for n, s in zip(size, spacing, strict=True)])
    index = np.stack(np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")[::-1], -1)
    return image, index * spacing + image.GetOrigin()


def scan(size, spacing, values, seed, place, noise):
    """(image, segmentation) of 16 bits; each voxel is the mean of eight points."""
    like, points = grid_of(size, spacing)
    total, label = 0.0, None
    for corner in np.ndindex(2, 2, 2):
        tissue = chest(place(points + (np.array(corner) - 0.5) / 2 * spacing), np.random.default_rng(seed))
        total = total + np.array([values[name] for name in TISSUES])[tissue] / 8
        label = tissue if label is None else label
    random = np.random.default_rng(seed + len(values) + size[0])
    image = sitk.GetImageFromArray((total + noise * random.normal(size=total.shape)).round().astype(np.int16))
    names = {"lung": "lungs", "vessel": "lungs", "heart": "heart", "liver": "liver"}
    table = np.array([LABELS.get(names.get(name, ""), 0) for name in TISSUES], np.uint8)
    segmentation = sitk.GetImageFromArray(table[label])
    for made in (image, segmentation):
        made.CopyInformation(like)
    return image, segmentation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=3)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    pairs = {
        "fixed": scan(SIZE, SPACING_MM, CT, arguments.seed, lambda points: points, 18),
        "moving": scan(MOVING_SIZE, MOVING_SPACING_MM, MR, arguments.seed, breathed_out, 9),
    }
    for role, (image, segmentation) in pairs.items():
        sitk.WriteImage(image, str(arguments.output / f"{role}.nii.gz"), True)
        sitk.WriteImage(segmentation, str(arguments.output / f"{role}_segmentation.nii.gz"), True)


if __name__ == "__main__":
    main()
