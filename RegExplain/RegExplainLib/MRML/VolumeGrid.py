"""Where a volume node's voxels lie, without touching them."""

import numpy as np
import vtk

import slicer
from regexplain.volumes.geometry import Grid

from .Conversion import LPS_TO_RAS


def gridOf(volume):
    """The `Grid` (LPS mm) that a volume node appears on, linear parent transforms applied; None without voxels."""
    if volume is None or volume.GetImageData() is None or volume.GetImageData().GetNumberOfPoints() == 0:
        return None
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    toWorld = vtk.vtkMatrix4x4()
    parent = volume.GetParentTransformNode()
    if parent is not None and parent.IsTransformToWorldLinear():
        parent.GetMatrixTransformToWorld(toWorld)
    ijkToLps = LPS_TO_RAS @ slicer.util.arrayFromVTKMatrix(toWorld) @ slicer.util.arrayFromVTKMatrix(matrix)
    spacing = np.linalg.norm(ijkToLps[:3, :3], axis=0)
    direction = (ijkToLps[:3, :3] / spacing).ravel()
    return Grid(
        volume.GetImageData().GetDimensions(),
        tuple(spacing.tolist()),
        tuple(ijkToLps[:3, 3].tolist()),
        tuple(direction.tolist()),
    )
