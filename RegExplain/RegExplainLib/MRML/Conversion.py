"""SimpleITK objects (LPS mm) as MRML nodes (RAS mm), losing nothing of their geometry.

Nodes are added to `scene`; nothing else in it changes. Images may be oblique, anisotropic, flipped or left-handed.
"""

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

import slicer

LPS_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))
INVERSE_TOLERANCE_MM = 1e-3  # of VTK's iterative inverse; its default of 0.01 costs hardly less


def ijkToRas(image):
    """(4, 4) array: voxel index (i, j, k, 1) to RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def addVolume(scene, image, name):
    """A scalar image of any voxel type as a vtkMRMLScalarVolumeNode shown in grey."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetAndObserveImageData(_vtkImage(sitk.GetArrayViewFromImage(image)))
    node.SetIJKToRASMatrix(vtkMatrix(ijkToRas(image)))
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    return node


def addSegmentation(scene, labels, name, color):
    """A label map image as a vtkMRMLSegmentationNode.

    A segment for every label: id "Segment_<label>", name "Segment <label>", all of one colour (r, g, b of 0-1).
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    array, geometry = sitk.GetArrayViewFromImage(labels), vtkMatrix(ijkToRas(labels))
    boxes = sitk.LabelShapeStatisticsImageFilter()
    boxes.Execute(sitk.Cast(labels, sitk.sitkInt32))
    for label in boxes.GetLabels():
        x, y, z, nx, ny, nz = boxes.GetBoundingBox(label)
        mask = slicer.vtkOrientedImageData()
        mask.ShallowCopy(_vtkImage((array[z : z + nz, y : y + ny, x : x + nx] == label).astype(np.uint8)))
        mask.SetExtent(x, x + nx - 1, y, y + ny - 1, z, z + nz - 1)
        mask.SetImageToWorldMatrix(geometry)
        node.AddSegmentFromBinaryLabelmapRepresentation(mask, f"Segment {label}", color, f"Segment_{label}")
    return node


def addLinearTransform(scene, affine, name):
    """A linear map of fixed to moving points as a vtkMRMLLinearTransformNode; FromParent is the map."""
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformFromParent(vtkMatrix(_rasMatrix(affine)))
    return node


def addGridTransform(scene, displacement, name):
    """A pull-back displacement image as a vtkMRMLGridTransformNode: FromParent(x) = x + u(x), its inverse on demand."""
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    node.SetAndObserveTransformFromParent(gridTransform(displacement))
    return node


def gridTransform(displacement, voxelLimit=None):
    """A vtkOrientedGridTransform x -> x + u(x) from a displacement image (vectors of LPS mm).

    voxelLimit: keep only every n-th vector along each axis, n the least that leaves no more than this.
    """
    vectors, geometry = vectorsOf(displacement)
    step = gridStep(vectors.shape[:3], voxelLimit) if voxelLimit else 1
    return gridOfVectors(vectors[::step, ::step, ::step], geometry, step)


def vectorsOf(displacement):
    """The vectors (z, y, x, 3), RAS mm, of a displacement image (LPS mm), and its (4, 4) ijk-to-RAS matrix."""
    vectors = sitk.GetArrayFromImage(displacement).astype(np.float32)
    vectors[..., :2] *= -1
    return vectors, ijkToRas(displacement)


def gridStep(shape, voxelLimit):
    """The least n so that every n-th voxel along each axis leaves no more than voxelLimit."""
    step = 1
    while np.prod(-(-np.array(shape) // step)) > voxelLimit:
        step += 1
    return step


def gridOf(node):
    """The vectors (z, y, x, 3), RAS mm, of a node that `addGridTransform` made, and their (4, 4) ijk-to-RAS matrix."""
    transform = node.GetTransformFromParent()
    data = transform.GetDisplacementGrid()
    geometry = slicer.util.arrayFromVTKMatrix(transform.GetGridDirectionMatrix())
    geometry[:3, :3] *= data.GetSpacing()
    geometry[:3, 3] = data.GetOrigin()
    geometry[:3, 3] = (geometry @ (1, 1, 1, 1))[:3]  # past the layer of zeros
    vectors = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(*data.GetDimensions()[::-1], 3)
    return vectors[1:-1, 1:-1, 1:-1], geometry


def gridOfVectors(vectors, geometry, step=1):
    """A vtkOrientedGridTransform of (z, y, x, 3) vectors of RAS mm, every step-th of a grid of that ijk-to-RAS matrix.

    One layer of zeros goes round it: VTK repeats border vectors outside a grid, ITK takes zero there.
    """
    spacing = step * np.linalg.norm(geometry[:3, :3], axis=0)
    directions = np.eye(4)
    directions[:3, :3] = step * geometry[:3, :3] / spacing
    data = _vtkImage(np.pad(vectors, ((1, 1), (1, 1), (1, 1), (0, 0))).astype(np.float32))  # good to 1e-5 mm
    data.SetSpacing(spacing)
    data.SetOrigin((geometry @ (-step, -step, -step, 1))[:3])
    grid = slicer.vtkOrientedGridTransform()
    grid.SetGridDirectionMatrix(vtkMatrix(directions))
    grid.SetDisplacementGridData(data)
    grid.SetInterpolationModeToLinear()
    grid.SetInverseTolerance(INVERSE_TOLERANCE_MM)
    return grid


def vtkMatrix(array):
    """(4, 4) array as a vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, float).ravel())
    return matrix


def _rasMatrix(affine):
    matrix = np.eye(4)
    matrix[:3, 3] = affine.TransformPoint((0.0, 0.0, 0.0))
    for axis in range(3):
        matrix[:3, axis] = np.array(affine.TransformPoint(np.eye(3)[axis].tolist())) - matrix[:3, 3]
    return LPS_TO_RAS @ matrix @ LPS_TO_RAS


def _vtkImage(array):
    """(z, y, x) or (z, y, x, components) as vtkImageData of unit geometry."""
    components = array.shape[3] if array.ndim == 4 else 1
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).reshape(-1, components), deep=True))
    return image
