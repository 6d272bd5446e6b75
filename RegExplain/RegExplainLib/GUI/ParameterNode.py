from typing import Annotated

from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

import slicer


@parameterNodeWrapper
class ParameterNode:
    """What the user chose in the panel; saved with the scene. Whether a layer is shown stands in its own nodes."""

    fixed: slicer.vtkMRMLScalarVolumeNode
    moving: slicer.vtkMRMLScalarVolumeNode
    fixedSegmentation: slicer.vtkMRMLSegmentationNode
    movingSegmentation: slicer.vtkMRMLSegmentationNode
    initialTransform: slicer.vtkMRMLTransformNode
    model: str = "auto"
    stage: str = "encoder-fixed"
    region: int = 0  # a segment's label; 0 for all that there is
    heatmapThreshold: Annotated[float, WithinRange(0, 100)] = 25.0  # % of the largest value
    heatmapOpacity: Annotated[float, WithinRange(0, 100)] = 65.0  # %
    component: int = 1
    strength: float = 0.0  # standard deviations
