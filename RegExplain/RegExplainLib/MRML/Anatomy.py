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


class Scan:
    """What a volume node shows, apart from the scene: once it is made, any thread may ask."""

    def __init__(self, volume):
        self._voxels, self._modified = slicer.util.arrayFromVolume(volume), volume.GetImageData().GetMTime()
        toRas = vtk.vtkMatrix4x4()
        volume.GetIJKToRASMatrix(toRas)
        self._toRas, self._box = slicer.util.arrayFromVTKMatrix(toRas), boundsOf(volume)

    def tissue(self, step=1):
        """(z, y, x) bool: which of every step-th voxel are brighter than air."""
        return self._voxels[::step, ::step, ::step] > self._tissueLevel()

    def bounds(self):
        """(3, 2) RAS mm of the tissue, but for some specks in air."""
        step = subsampling_step(self._voxels.shape, SAMPLED_VOXELS)
        index = np.argwhere(self.tissue(step))[:, ::-1] * step
        if not index.size:
            return self._box
        return np.percentile(index @ self._toRas[:3, :3].T + self._toRas[:3, 3], TISSUE_PERCENTILES, axis=0).T

    def _tissueLevel(self):
        """Worked out once for the same voxels, as it takes longest of all: no two images were modified at one time."""
        level = _levels.get(self._modified)
        if level is None:
            step = subsampling_step(self._voxels.shape, SAMPLED_VOXELS)
            level = tissue_threshold(self._voxels[::step, ::step, ::step])
            _levels.clear()
            _levels[self._modified] = level
        return level


class Movement:
    """How far a result moved the tissue of its fixed scan beyond the alignment; apart from the scene, as a Scan.

    vectors, geometry: of Conversion.gridOf.
    """

    def __init__(self, resultNodes):
        self.vectors, self.geometry = gridOf(resultNodes.deformation)
        self.scan = Scan(resultNodes.fixed)

    def mm(self, step=None):
        """(mm, place): (z, y, x) of every step-th voxel, 0 in air, and the (4, 4) matrix from its index (i, j, k, 1)
        to RAS mm. By default as few as say enough."""
        step = step or subsampling_step(self.vectors.shape[:3], SAMPLED_VOXELS)
        lengths = np.linalg.norm(self.vectors[::step, ::step, ::step], axis=-1)
        return np.where(self.scan.tissue(step), lengths, 0), self.geometry @ np.diag((step, step, step, 1.0))


def anatomyBounds(resultNodes):
    """(3, 2) RAS mm of the fixed segmentation; without any of the fixed volume's tissue."""
    segmented = segmentedBounds(resultNodes)
    return Scan(resultNodes.fixed).bounds() if segmented is None else segmented


def segmentedBounds(resultNodes):
    """(3, 2) RAS mm of the fixed segmentation; None without any."""
    segmentation = resultNodes.fixedSegmentation
    if segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments() > 0:
        return boundsOf(segmentation)
    return None


def anatomyCentre(resultNodes):
    """The middle of these bounds, RAS mm."""
    return anatomyBounds(resultNodes).mean(axis=1)


def tissueOf(volume, step=1):
    """(z, y, x) bool: which of every step-th voxel of a volume node are brighter than air."""
    return Scan(volume).tissue(step)


def largestDisplacement(resultNodes):
    """Where the tissue of the fixed scan moved most (within the segment that did, where there are any), RAS mm."""
    movement, inside = Movement(resultNodes), _mostMovedSegment(resultNodes)
    step = subsampling_step(movement.vectors.shape[:3], SAMPLED_VOXELS)
    lengths, place = movement.mm(step)
    if inside is not None and inside[::step, ::step, ::step].any():
        lengths = np.where(inside[::step, ::step, ::step], lengths, 0)
    k, j, i = np.unravel_index(np.argmax(lengths), lengths.shape)
    return (place @ (i, j, k, 1))[:3]


def _mostMovedSegment(resultNodes):
    """(z, y, x) bool on the fixed scan's grid; None where nothing is segmented."""
    segments = segmentsByLabel(resultNodes.fixedSegmentation)
    rows = [row for row in resultNodes.record["segments"] if row["displacement_mm"] and row["label"] in segments]
    if not rows:
        return None
    label = max(rows, key=lambda row: row["displacement_mm"]["max"])["label"]
    return segmentMask(resultNodes.fixedSegmentation, f"Segment_{label}", resultNodes.fixed)
