"""Bounds of the anatomy, tissue masks, and the largest displacement of a result."""

import numpy as np
import vtk

import slicer
from regexplain.volumes.geometry import subsampling_step
from regexplain.volumes.intensities import tissue_threshold

from .Conversion import gridOf
from .NodeExport import segmentMask
from .Segments import segmentsByLabel
from .ViewFitting import boundsOf

TISSUE_PERCENTILES = (0.5, 99.5)  # per cent of the tissue, along each direction
SAMPLED_VOXELS = 96**3  # voxels that say enough about a whole scan, and take no time
_levels: dict[int, float] = {}  # of the last volume, by when it was modified


def anatomyBounds(resultNodes):
    """(3, 2) RAS mm of the fixed segmentation; without any of the fixed volume's tissue, but for some specks in air."""
    segmentation = resultNodes.fixedSegmentation
    if segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments() > 0:
        return boundsOf(segmentation)
    array = slicer.util.arrayFromVolume(resultNodes.fixed)
    step = subsampling_step(array.shape, SAMPLED_VOXELS)
    index = np.argwhere(tissueOf(resultNodes.fixed, step))[:, ::-1] * step
    if not index.size:
        return boundsOf(resultNodes.fixed)
    toRas = vtk.vtkMatrix4x4()
    resultNodes.fixed.GetIJKToRASMatrix(toRas)
    toRas = slicer.util.arrayFromVTKMatrix(toRas)
    return np.percentile(index @ toRas[:3, :3].T + toRas[:3, 3], TISSUE_PERCENTILES, axis=0).T


def anatomyCentre(resultNodes):
    """The middle of these bounds, RAS mm."""
    return anatomyBounds(resultNodes).mean(axis=1)


def tissueOf(volume, step=1):
    """(z, y, x) bool: which of every step-th voxel of a volume node are brighter than air."""
    return slicer.util.arrayFromVolume(volume)[::step, ::step, ::step] > _tissueLevel(volume)


def _tissueLevel(volume):
    """Worked out once for the same voxels, as it takes longest of all: no two images were modified at one time."""
    modified = volume.GetImageData().GetMTime()
    if modified not in _levels:
        _levels.clear()
        array = slicer.util.arrayFromVolume(volume)
        sampled = subsampling_step(array.shape, SAMPLED_VOXELS)
        _levels[modified] = tissue_threshold(array[::sampled, ::sampled, ::sampled])
    return _levels[modified]


def displacementMm(resultNodes, step=None):
    """(mm, place): (z, y, x) how far every step-th voxel of the fixed scan was moved beyond the alignment, 0 in air,
    and the (4, 4) matrix from its index (i, j, k, 1) to RAS mm. By default as few as say enough."""
    vectors, geometry = gridOf(resultNodes.deformation)
    step = step or subsampling_step(vectors.shape[:3], SAMPLED_VOXELS)
    lengths = np.linalg.norm(vectors[::step, ::step, ::step], axis=-1)
    return np.where(tissueOf(resultNodes.fixed, step), lengths, 0), geometry @ np.diag((step, step, step, 1.0))


def largestDisplacement(resultNodes):
    """Where the tissue of the fixed scan moved most (within the segment that did, where there are any), RAS mm."""
    step = subsampling_step(gridOf(resultNodes.deformation)[0].shape[:3], SAMPLED_VOXELS)
    (lengths, place), inside = displacementMm(resultNodes, step), _mostMovedSegment(resultNodes)
    if inside is not None and inside[::step, ::step, ::step].any():
        lengths = np.where(inside[::step, ::step, ::step], lengths, 0)
    k, j, i = np.unravel_index(np.argmax(lengths), lengths.shape)
    return (place @ (i, j, k, 1))[:3]


def _mostMovedSegment(resultNodes):
    """(z, y, x) bool on the fixed scan's grid; None where nothing is segmented."""
    found = segmentsByLabel(resultNodes.fixedSegmentation)
    rows = [row for row in resultNodes.record["segments"] if row["displacement_mm"] and row["label"] in found]
    if not rows:
        return None
    label = max(rows, key=lambda row: row["displacement_mm"]["max"])["label"]
    return segmentMask(resultNodes.fixedSegmentation, f"Segment_{label}", resultNodes.fixed)
