from typing import Annotated, Union

from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

import slicer

Movable = Union[  # noqa: UP007 - the wrapper knows this spelling only
    slicer.vtkMRMLScalarVolumeNode,
    slicer.vtkMRMLSegmentationNode,
    slicer.vtkMRMLModelNode,
    slicer.vtkMRMLMarkupsNode,
]


@parameterNodeWrapper
class ParameterNode:
    """What the user chose in the panel; saved with the scene. Whether a layer is shown stands in its own nodes."""

    fixed: slicer.vtkMRMLScalarVolumeNode
    moving: slicer.vtkMRMLScalarVolumeNode
    fixedSegmentation: slicer.vtkMRMLSegmentationNode
    movingSegmentation: slicer.vtkMRMLSegmentationNode
    initialTransform: slicer.vtkMRMLTransformNode
    model: str = "auto"
    refine: Annotated[int, WithinRange(0, 500)] = 0  # steps
    processorOnly: bool = False
    transform: slicer.vtkMRMLTransformNode  # one made elsewhere
    result: str = ""  # id of the registration on show; the newest where there is none of it
    applyTo: Movable
    inverse: bool = False
    harden: bool = False
    stage: str = "encoder-fixed"
    region: int = 0  # a segment's label; 0 for all that there is
    method: str = "grad-cam"
    heatmapThreshold: Annotated[float, WithinRange(0, 100)] = 25.0  # % of the largest value
    heatmapOpacity: Annotated[float, WithinRange(0, 100)] = 65.0  # %
    positiveOnly: bool = False
    motion: str = ""  # "component 1", "part 2" or "registration"; the first that there is where empty
    strength: float = 0.0  # in the motion's own unit
    speed: Annotated[float, WithinRange(1, 30)] = 8.0  # frames a second
    amplitude: Annotated[float, WithinRange(0.5, 3)] = 1.0  # of the drawing, over the motion itself
