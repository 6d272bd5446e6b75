"""Outlines of other segmentations, hidden while a result is shown, so that they are not taken for its own."""

from .Tags import RESULT

HIDDEN = "RegExplain.HiddenMeanwhile"


def hideOtherOutlines(scene):
    for node in _others(scene):
        if node.GetDisplayVisibility():
            node.SetAttribute(HIDDEN, "yes")
            node.SetDisplayVisibility(False)


def showOtherOutlines(scene):
    """Those that `hideOtherOutlines` hid, in this session or the one that saved the scene."""
    for node in _others(scene):
        if node.GetAttribute(HIDDEN):
            node.SetAttribute(HIDDEN, None)
            node.SetDisplayVisibility(True)


def _others(scene):
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    nodes = [scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in range(count)]
    return [node for node in nodes if node.GetAttribute(RESULT) is None]
