"""SimpleITK objects (LPS mm) as MRML nodes (RAS mm), losing nothing of their geometry.

Nodes are added to `scene`; nothing else in it changes. Images may be oblique, anisotropic, flipped or left-handed.

`voxelsOf`, `masksOf` and `gridTransform` touch no scene, so any thread may call them: they copy the voxels, which takes
long where there are many, and numpy lets the main thread run meanwhile. What they give goes into nodes as it is.
"""

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

import slicer
from regexplain.volumes.geometry import subsampling_step
from regexplain.volumes.segmentations import labels_of

LPS_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))
INVERSE_TOLERANCE_MM = 1e-3  # of VTK's iterative inverse; its default of 0.01 costs hardly less


def ijkToRas(image):
    """(4, 4) array: voxel index (i, j, k, 1) to RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ matrix


def voxelsOf(image):
    """A scalar image of any voxel type as vtkOrientedImageData."""
    voxels = _oriented(sitk.GetArrayViewFromImage(image))
    voxels.SetImageToWorldMatrix(vtkMatrix(ijkToRas(image)))
    return voxels


def masksOf(labels):
    """{label: the one vtkOrientedImageData of all labels of a label map image, no larger than they are}.

    Segments that share one, as Slicer's own do, keep their label values when a scene is saved.
    """
    array = sitk.GetArrayViewFromImage(labels)
    labelValues = labels_of(labels) if array.dtype.kind in "iu" else []
    if not labelValues:
        return {}
    box = [np.flatnonzero(array.any(tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    (z, last_z), (y, last_y), (x, last_x) = ((int(first), int(last)) for first, last in box)
    shared = _oriented(array[z : last_z + 1, y : last_y + 1, x : last_x + 1])
    shared.SetExtent(x, last_x, y, last_y, z, last_z)
    shared.SetImageToWorldMatrix(vtkMatrix(ijkToRas(labels)))
    return dict.fromkeys(labelValues, shared)


def addVolume(scene, voxels, name):
    """A vtkMRMLScalarVolumeNode shown in grey. voxels: a scalar image, or what `voxelsOf` made of it."""
    voxels = voxels if isinstance(voxels, vtk.vtkImageData) else voxelsOf(voxels)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    geometry, plain = vtk.vtkMatrix4x4(), vtk.vtkImageData()
    voxels.GetImageToWorldMatrix(geometry)
    plain.SetDimensions(voxels.GetDimensions())
    plain.GetPointData().SetScalars(voxels.GetPointData().GetScalars())
    node.SetAndObserveImageData(plain)
    node.SetIJKToRASMatrix(geometry)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    return node


def addSegmentation(scene, labels, name, color, names=None):
    """A label map image, or what `masksOf` made of it, as a vtkMRMLSegmentationNode.

    A segment for every label: id "Segment_<label>", that label value, its name of `names` (by label) or "Segment
    <label>", all of one colour (r, g, b of 0-1).
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    for label, mask in (labels if isinstance(labels, dict) else masksOf(labels)).items():
        segment = slicer.vtkSegment()
        segment.SetName((names or {}).get(label, f"Segment {label}"))
        segment.SetColor(*color)
        segment.SetLabelValue(label)
        segment.AddRepresentation(representation, mask)
        node.GetSegmentation().AddSegment(segment, f"Segment_{label}")
    return node


def addLinearTransform(scene, affine, name):
    """A linear map of fixed to moving points as a vtkMRMLLinearTransformNode; FromParent is the map."""
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetMatrixTransformFromParent(vtkMatrix(_rasMatrix(affine)))
    return node


def addGridTransform(scene, displacement, name):
    """A vtkMRMLGridTransformNode: FromParent(x) = x + u(x), its inverse on demand.

    displacement: a pull-back displacement image, or what `gridTransform` made of it.
    """
    grid = displacement if isinstance(displacement, vtk.vtkAbstractTransform) else gridTransform(displacement)
    node = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    node.SetAndObserveTransformFromParent(grid)
    return node


def gridTransform(displacement, voxelLimit=None, repeated=False):
    """A vtkOrientedGridTransform x -> x + u(x) from a displacement image (vectors of LPS mm).

    voxelLimit: keep only every n-th vector along each axis, n the least that leaves no more than this.
    repeated: as of `gridOfVectors`.
    """
    step = subsampling_step(displacement.GetSize(), voxelLimit) if voxelLimit else 1
    return gridOfVectors(*vectorsOf(displacement, step), step, repeated)


def vectorsOf(displacement, step=1):
    """Every step-th vector (z, y, x, 3), RAS mm, of a displacement image (LPS mm), and its (4, 4) ijk-to-RAS matrix."""
    vectors = sitk.GetArrayViewFromImage(displacement)[::step, ::step, ::step].astype(np.float32)
    vectors[..., :2] *= -1
    return vectors, ijkToRas(displacement)


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


def gridOfVectors(vectors, geometry, step=1, repeated=False):
    """A vtkOrientedGridTransform of (z, y, x, 3) vectors of RAS mm, every step-th of a grid of that ijk-to-RAS matrix.

    One layer of zeros goes round it: VTK repeats border vectors outside a grid, ITK takes zero there. That folds space
    at the border, where VTK then finds no inverse; with `repeated`, for what is only looked at, border vectors do.
    """
    spacing = step * np.linalg.norm(geometry[:3, :3], axis=0)
    directions = np.eye(4)
    directions[:3, :3] = step * geometry[:3, :3] / spacing
    data, array = _emptyImage([n + 2 for n in vectors.shape[:3]], np.float32, components=3)  # good to 1e-5 mm
    if repeated:
        array[:] = np.pad(vectors, ((1, 1), (1, 1), (1, 1), (0, 0)), mode="edge")
    else:
        array.fill(0)
        array[1:-1, 1:-1, 1:-1] = vectors
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


def _oriented(array):
    """A copy of (z, y, x) as vtkOrientedImageData of unit geometry."""
    image, voxels = _emptyImage(array.shape, array.dtype)
    voxels[..., 0] = array
    oriented = slicer.vtkOrientedImageData()
    oriented.ShallowCopy(image)
    return oriented


def _emptyImage(shape, kind, components=1):
    """vtkImageData of unit geometry, and its memory, (z, y, x, components), to be filled."""
    scalars = vtk.vtkDataArray.CreateDataArray(get_vtk_array_type(kind))
    scalars.SetNumberOfComponents(components)
    scalars.SetNumberOfTuples(int(np.prod(shape)))
    image = vtk.vtkImageData()
    image.SetDimensions(*shape[::-1])
    image.GetPointData().SetScalars(scalars)
    return image, vtk_to_numpy(scalars).reshape(*shape, components)
