"""Any transform node as a file for the worker: a map of fixed to moving points that ITK reads (LPS mm)."""

import numpy as np
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import slicer
from regexplain.errors import BadInputError
from regexplain.volumes.geometry import subsampling_step

from .Conversion import LPS_TO_RAS, vtkMatrix
from .NodeExport import writeLinearTransform
from .VolumeGrid import gridOf

LIMIT_VOXELS = 128**3  # about a second, in which Slicer does not respond


def writeTransform(node, fixed, path):
    """Write the transform that, applied to the moving scan, brings it onto the fixed one. Returns the path as text.

    A linear one is written as it is, any other as its displacement at the voxels of the volume node `fixed` (every
    n-th where there are more than LIMIT_VOXELS): whatever it is made of, ITK then reads it. Beyond that volume nothing
    is kept. Raises BadInputError for a volume without voxels.
    """
    if node.IsTransformToWorldLinear():
        return writeLinearTransform(node, path.with_suffix(".tfm"))
    grid = gridOf(fixed)
    if grid is None:
        raise BadInputError(f"The fixed volume {fixed.GetName()} holds no image; load one, or choose another volume.")
    grid = _subsampled(grid)
    field = grid.image(_displacement(node, grid), vector=True)
    path = path.with_suffix(".nrrd")
    sitk.WriteImage(field, str(path), False)
    return str(path)


def _subsampled(grid):
    return grid.subsampled(subsampling_step(grid.size, LIMIT_VOXELS), covering=True)


def _displacement(node, grid):
    """(z, y, x, 3), LPS mm: the moving point less the fixed one, at every voxel of the grid."""
    fromWorld = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, node, fromWorld)
    toRas = LPS_TO_RAS @ grid.voxel_to_world
    toIndex = np.linalg.inv(toRas)
    inIndices = vtk.vtkGeneralTransform()  # index of the fixed point → index of the moving one, on the fixed grid
    inIndices.PostMultiply()
    inIndices.Concatenate(vtkMatrix(toRas))
    inIndices.Concatenate(fromWorld)
    inIndices.Concatenate(vtkMatrix(toIndex))
    sampler = vtk.vtkTransformToGrid()
    sampler.SetInput(inIndices)
    sampler.SetGridExtent(*(end for n in grid.size for end in (0, n - 1)))
    sampler.SetGridScalarTypeToFloat()
    sampler.Update()
    vectors = vtk_to_numpy(sampler.GetOutput().GetPointData().GetScalars()).reshape(*grid.size[::-1], 3)
    return (vectors @ grid.voxel_to_world[:3, :3].T).astype(np.float32)
