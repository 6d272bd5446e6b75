from typing import Annotated, Union

from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

import slicer

ON_SHOW = "RegExplain.OnShow"  # attribute of the one node whose parameters the panel shows

Movable = Union[  # noqa: UP007 - the wrapper knows this spelling only, and makes one of each: none may be abstract
    slicer.vtkMRMLScalarVolumeNode,
    slicer.vtkMRMLSegmentationNode,
    slicer.vtkMRMLModelNode,
    slicer.vtkMRMLMarkupsFiducialNode,
    slicer.vtkMRMLMarkupsLineNode,
    slicer.vtkMRMLMarkupsCurveNode,
    slicer.vtkMRMLMarkupsAngleNode,
    slicer.vtkMRMLMarkupsPlaneNode,
    slicer.vtkMRMLMarkupsROINode,
    None,  # else the wrapper cannot write that there is none
]

Mask = Union[slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007


@parameterNodeWrapper
class ParameterNode:
    """What the user chose in the panel; saved with the scene, which may hold several sets of it.

    Whether a layer is shown stands in its own nodes.
    """

    fixed: slicer.vtkMRMLScalarVolumeNode
    moving: slicer.vtkMRMLScalarVolumeNode
    fixedSegmentation: slicer.vtkMRMLSegmentationNode
    movingSegmentation: slicer.vtkMRMLSegmentationNode
    fixedMask: Mask
    movingMask: Mask
    initialTransform: slicer.vtkMRMLTransformNode
    model: str = "auto"
    refine: Annotated[int, WithinRange(0, 500)] = 0  # steps
    processorOnly: bool = False
    transform: slicer.vtkMRMLTransformNode  # one made elsewhere
    result: str = ""  # id of the registration on show; the newest where there is none of it
    fixedLandmarks: slicer.vtkMRMLMarkupsFiducialNode
    movingLandmarks: slicer.vtkMRMLMarkupsFiducialNode
    useLandmarks: bool = False  # in refining
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


def isBlank(parameters):
    """Whether the user has chosen no input yet, and registered nothing."""
    inputs = ("fixed", "moving", "fixedSegmentation", "movingSegmentation", "initialTransform", "transform")
    return not parameters.result and all(getattr(parameters, name) is None for name in inputs)


def markedNodes():
    """The node of the set that the panel shows; several while a scene is added to another."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
    return [node for node in nodes if node.GetAttribute(ON_SHOW)]


def mark(chosen):
    """Remember in the scene that the panel shows this node."""
    for node in markedNodes():
        node.SetAttribute(ON_SHOW, None)
    chosen.SetAttribute(ON_SHOW, "1")
