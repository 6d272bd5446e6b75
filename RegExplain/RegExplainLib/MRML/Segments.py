"""What the segments of a result's segmentation are: their colours, by label, their volumes, and which is at a point.

ResultNodes puts the label into a segment's id ("Segment_3").
"""

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import slicer

FIXED_COLOR = (0.95, 0.15, 0.15)
WARPED_COLOR = (1.0, 0.80, 0.10)
MOVING_COLOR = (0.35, 0.70, 1.0)


def segmentsByLabel(segmentationNode):
    """The vtkSegment of every label; {} for None."""
    if segmentationNode is None:
        return {}
    segmentation = segmentationNode.GetSegmentation()
    return {int(i.rpartition("_")[2]): segmentation.GetSegment(i) for i in segmentation.GetSegmentIDs()}


def volumesMl(segmentationNode):
    """Volume of every label in millilitres, counted in voxels; {} for None."""
    return {label: _volumeMl(segment) for label, segment in segmentsByLabel(segmentationNode).items()}


def labelAt(segmentationNode, ras):
    """The label at a point (RAS mm) of the segmentation's own space, None where there is none."""
    for label, segment in segmentsByLabel(segmentationNode).items():
        image = _labelmap(segment)
        if image is not None and _covers(image, segment.GetLabelValue(), ras):
            return label
    return None


def _volumeMl(segment):
    image = _labelmap(segment)
    if image is None or image.GetNumberOfPoints() == 0:
        return 0.0
    voxels = np.count_nonzero(vtk_to_numpy(image.GetPointData().GetScalars()) == segment.GetLabelValue())
    return float(voxels * np.prod(image.GetSpacing()) / 1000)


def _covers(image, value, ras):
    toIjk = vtk.vtkMatrix4x4()
    image.GetWorldToImageMatrix(toIjk)
    ijk = [round(c) for c in toIjk.MultiplyPoint((*ras, 1))[:3]]
    extent = image.GetExtent()
    inside = all(low <= c <= high for c, low, high in zip(ijk, extent[::2], extent[1::2], strict=True))
    return inside and image.GetScalarComponentAsDouble(*ijk, 0) == value


def _labelmap(segment):
    return segment.GetRepresentation(slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName())
