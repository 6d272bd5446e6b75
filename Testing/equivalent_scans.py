"""The same scan as other scanners and programs would have written it."""

import numpy as np
import SimpleITK as sitk

REORDERINGS = [((1, 2, 0), (False, True, False)), ((2, 0, 1), (True, False, True)), ((0, 2, 1), (True, True, False))]


def reoriented(image: sitk.Image, order=(1, 2, 0), flips=(False, True, False)) -> sitk.Image:
    """Another storage order: every voxel stays where it is in the world."""
    return sitk.Flip(sitk.PermuteAxes(image, order), flips)


def rotation(axis=(1.0, 2.0, 0.5), degrees: float = 25.0) -> np.ndarray:
    turn = sitk.VersorTransform(tuple(np.array(axis) / np.linalg.norm(axis)), float(np.radians(degrees)))
    return np.array(turn.GetMatrix()).reshape(3, 3)


def with_moved_header(image: sitk.Image, matrix: np.ndarray, shift=(0.0, 0.0, 0.0)) -> sitk.Image:
    """An oblique header: the whole scan moved in the world, not a voxel changed: x → matrix · x + shift."""
    copy = sitk.Image(image)
    copy.SetDirection((matrix @ np.array(image.GetDirection()).reshape(3, 3)).ravel())
    copy.SetOrigin(matrix @ image.GetOrigin() + shift)
    return copy


def resampled(image: sitk.Image, spacing, nearest: bool = False) -> sitk.Image:
    """The same box sampled at another spacing."""
    extent = np.array(image.GetSize()) * image.GetSpacing()
    size = [int(round(e / s)) for e, s in zip(extent, spacing, strict=True)]
    actual = extent / size
    axes = np.array(image.GetDirection()).reshape(3, 3)
    origin = image.GetOrigin() + axes @ ((actual - image.GetSpacing()) / 2)
    return sitk.Resample(
        image,
        size,
        sitk.Transform(),
        sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear,
        origin,
        actual,
        image.GetDirection(),
    )


def points_in(image: sitk.Image, count: int = 200, seed: int = 0, margin: float = 0.2) -> np.ndarray:
    """(count, 3) LPS points inside the image, away from its border by a share of its size."""
    size = np.array(image.GetSize())
    index = np.random.default_rng(seed).uniform(size * margin, size * (1 - margin), (count, 3))
    return np.array([image.TransformContinuousIndexToPhysicalPoint(i.tolist()) for i in index])


def transform_points(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(p.tolist()) for p in points])
