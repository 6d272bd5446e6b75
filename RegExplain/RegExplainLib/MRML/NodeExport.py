"""The user's nodes as files for the worker, without names or metadata. Nothing in the scene is changed.

Everything is written where it appears in the scene: a parent transform is applied to the copy that is written.
"""

import json

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import slicer
from regexplain.errors import BadInputError, RegExplainError

from .Conversion import LPS_TO_RAS

SHEAR_TOLERANCE = 1e-3  # of the cosine between axes; files of images cannot hold more


def volumeImage(copy):
    """What `hardenedCopy` gave as a SimpleITK image of its own, so that any thread may write it."""
    return _image(_array(copy.GetImageData()), _ijkToRas(copy))


def labelImage(node, labels, copy):
    """Steps, a segment each, that end in (`yield from`) a label map of the segments, each with its name's label, on the
    grid of what `hardenedCopy` gave. What is in the scene is looked at before the first step only."""
    segmentation = _withLabelmaps(node.GetSegmentation())
    segments = [segmentation.GetSegment(identifier) for identifier in segmentation.GetSegmentIDs()]
    return _fillLabels(segments, labels, copy, _toWorld(node))


def _fillLabels(segments, labels, copy, toWorld):
    grid, array = _gridOf(copy), np.zeros(_array(copy.GetImageData()).shape, np.uint16)
    for segment in segments:
        array[_mask(segment, grid, toWorld)] = labels[segment.GetName()]
        yield
    return _image(array, _ijkToRas(copy))


def maskImage(node, copy):
    """As `labelImage`: 1 where any segment of a segmentation lies, or where a label map is not 0 (on its own grid)."""
    if node.IsA("vtkMRMLSegmentationNode"):
        return labelImage(node, dict.fromkeys(_segmentNames(node), 1), copy)
    return _maskOfLabelMap(hardenedCopy(node, "mask"))


def _maskOfLabelMap(copy):
    yield
    return _image((_array(copy.GetImageData()) != 0).astype(np.uint8), _ijkToRas(copy))


def writeLandmarks(node, path):
    """The points that were placed, as Slicer's own .mrk.json; returns the path as a text."""
    controls = []
    for n in range(node.GetNumberOfControlPoints()):
        if node.GetNthControlPointPositionStatus(n) == node.PositionDefined:
            place = [0.0] * 3
            node.GetNthControlPointPositionWorld(n, place)
            position = (np.array(place) @ LPS_TO_RAS[:3, :3]).tolist()
            controls.append({"label": node.GetNthControlPointLabel(n), "position": position})
    markups = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": controls}
    path.write_text(json.dumps({"markups": [markups]}), encoding="utf-8")
    return str(path)


def segmentMask(node, identifier, volume):
    """(k, j, i) of bool: where a segment lies on a volume's grid. slicer.util's own leaves a node in the scene."""
    segment = _withLabelmaps(node.GetSegmentation()).GetSegment(identifier)
    return _mask(segment, _gridOf(volume), _toWorld(node))


def segmentLabels(fixedNode, movingNode):
    """Label by segment name, 1 upwards, so that a segment has the same label in both (either may be None).

    Segments belong together by name; where the two have no name in common, by their order.
    """
    fixed, moving = _segmentNames(fixedNode), _segmentNames(movingNode)
    labels = {name: number for number, name in enumerate(fixed, 1)}
    if not set(fixed) & set(moving):
        return labels | {name: number for number, name in enumerate(moving, 1)}
    for name in moving:
        labels.setdefault(name, len(labels) + 1)
    return labels


def checkInitialTransform(transformNode, movingNode):
    """Raises BadInputError for a transform that bends, or that already moves the moving volume."""
    if transformNode is None:
        return
    if not transformNode.IsTransformToWorldLinear():
        raise BadInputError(f"The initial transform {transformNode.GetName()} bends space; choose a linear one.")
    parent = movingNode.GetParentTransformNode()
    while parent is not None:
        if parent is transformNode:
            raise BadInputError(
                f"The moving volume stands under {transformNode.GetName()} already; take it out, or choose no initial "
                "transform."
            )
        parent = parent.GetParentTransformNode()


def writeLinearTransform(node, path):
    """A transform node that brings the moving scan onto the fixed one, as ITK's map of fixed to moving points, LPS."""
    toWorld = vtk.vtkMatrix4x4()
    node.GetMatrixTransformToWorld(toWorld)
    matrix = LPS_TO_RAS @ np.linalg.inv(slicer.util.arrayFromVTKMatrix(toWorld)) @ LPS_TO_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    sitk.WriteTransform(transform, str(path))
    return str(path)


def hardenedCopy(node, role):
    """A volume node outside the scene that lies where `node` appears in it.

    Raises BadInputError for a volume without voxels, or with axes that no image file can hold.
    """
    if node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        raise BadInputError(f"The {role} volume {node.GetName()} holds no image; load one, or choose another volume.")
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.SetAndObserveImageData(node.GetImageData())
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    copy.SetIJKToRASMatrix(matrix)
    parent = node.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        parent.GetMatrixTransformToWorld(matrix)
        copy.ApplyTransformMatrix(matrix)
    elif parent is not None:
        copy.ApplyTransform(_toWorld(node))
    axes = _ijkToRas(copy)[:3, :3]
    cosines = (axes / np.linalg.norm(axes, axis=0)).T @ (axes / np.linalg.norm(axes, axis=0))
    if np.abs(cosines - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise BadInputError(
            f"The {role} volume {node.GetName()} has axes that are not perpendicular; resample it first (module "
            "Resample Scalar/Vector/DWI Volume)."
        )
    return copy


def _toWorld(node):
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(node.GetParentTransformNode(), None, transform)
    return transform


def _segmentNames(node):
    segmentation = node.GetSegmentation() if node is not None else slicer.vtkSegmentation()
    return [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]


def _withLabelmaps(segmentation):
    """The segmentation itself, or, where it has surfaces only, a copy with label maps made of them."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if segmentation.ContainsRepresentation(name):
        return segmentation
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    if not copy.CreateRepresentation(name):
        raise BadInputError(
            "The segmentation cannot be turned into a label map; export it as one in the module Segmentations "
            "and import that."
        )
    return copy


def _gridOf(volume):
    grid = slicer.vtkOrientedImageData()
    grid.ShallowCopy(volume.GetImageData())
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    grid.SetImageToWorldMatrix(matrix)
    return grid


def _mask(segment, grid, toWorld):
    """(k, j, i) of bool: where the segment lies on the grid."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    resampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        segment.GetRepresentation(name), grid, resampled, False, False, toWorld
    )
    return _array(resampled) == segment.GetLabelValue()


def _array(imageData):
    """(k, j, i) view of a scalar vtkImageData."""
    return vtk_to_numpy(imageData.GetPointData().GetScalars()).reshape(imageData.GetDimensions()[::-1])


def _ijkToRas(volume):
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _image(array, ijkToRas):
    """A SimpleITK image (LPS mm) of a (k, j, i) array."""
    matrix = LPS_TO_RAS @ ijkToRas
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    return image


def writeImage(image, path):
    """Touches no scene, so any thread may. Returns the path as text. Raises RegExplainError where the disk refuses."""
    try:
        sitk.WriteImage(image, str(path), False)
    except RuntimeError as error:
        raise RegExplainError(
            f"{path.name} could not be written for the computation; free disk space in {path.parent}, then try again."
        ) from error
    return str(path)
