"""Fit slice views and 3D cameras to new content, once; then they are the user's."""

import math

import numpy as np

import slicer

STAGE_VIEW = "RegExplain"  # what the names of the module's own slice views begin with
MARGIN = 1.3  # of the 3D view, about what is to be seen


def showVolume(volume):
    """Let every slice view show a volume, whole, in the slice through its middle, and the 3D views turn about it."""
    composites = volume.GetScene().GetNodesByClass("vtkMRMLSliceCompositeNode")
    composites.UnRegister(None)
    for composite in (composites.GetItemAsObject(n) for n in range(composites.GetNumberOfItems())):
        if not composite.GetLayoutName().startswith(STAGE_VIEW):
            composite.SetBackgroundVolumeID(volume.GetID())
    bounds = boundsOf(volume)
    fitSlices(sliceLogics(), bounds.mean(axis=1))
    fitCameras(volume.GetScene(), bounds)


def sliceLogics():
    """Of the slice views but the module's own."""
    every = _applicationLogic().GetSliceLogics()
    logics = [every.GetItemAsObject(n) for n in range(every.GetNumberOfItems())] if every is not None else []
    return [logic for logic in logics if not logic.GetSliceNode().GetLayoutName().startswith(STAGE_VIEW)]


def sliceLogic(name):
    """The logic of the slice view of that name; None where there is no such view."""
    return _applicationLogic().GetSliceLogicByLayoutName(name)


def fitSlices(logics, ras):
    """Show the whole background in each of these slice views, in the slice through a point (RAS mm)."""
    for logic in logics:
        logic.FitSliceToBackground()
        logic.GetSliceNode().JumpSliceByOffsetting(*ras)


def fitCameras(scene, bounds):
    """Let all 3D views turn about the middle of a box of (3, 2) RAS mm, seen whole, from the side they are on."""
    centre, radius = bounds.mean(axis=1), np.ptp(bounds, axis=1).max() / 2
    cameras = scene.GetNodesByClass("vtkMRMLCameraNode")
    cameras.UnRegister(None)
    for camera in (cameras.GetItemAsObject(n) for n in range(cameras.GetNumberOfItems())):
        away = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
        distance = MARGIN * radius / math.sin(math.radians(camera.GetViewAngle()) / 2)
        camera.SetFocalPoint(*centre)
        camera.SetPosition(*(centre + distance * away / np.linalg.norm(away)))
        camera.SetParallelScale(MARGIN * radius)
        camera.ResetClippingRange()


def boundsOf(node):
    """(3, 2) RAS mm: where a displayable node begins and ends along R, A and S."""
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    return np.reshape(bounds, (3, 2))


def refreshColorBars(logics):
    """Make new slice views draw the colour bars of their maps.

    Their manager of legends knows neither legends that were there before it, nor the view's layers, which the
    application makes after it. It looks for those when a batch of changes ends, and for legends when the foreground is
    changed as by hand.
    """
    scene = logics[0].GetMRMLScene()
    scene.StartState(scene.BatchProcessState)
    scene.EndState(scene.BatchProcessState)
    for composite in (logic.GetSliceCompositeNode() for logic in logics):
        flags = composite.GetInteractionFlags()
        composite.SetInteractionFlags(composite.ForegroundVolumeFlag)
        composite.Modified()
        composite.SetInteractionFlags(flags)


def _applicationLogic():
    return slicer.modules.colors.logic().GetMRMLApplicationLogic()
