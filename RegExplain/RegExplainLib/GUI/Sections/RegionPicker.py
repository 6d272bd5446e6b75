import qt

import slicer

from ...MRML.Segments import labelAt
from ...MRML.Tags import removeNodes


class RegionPicker:
    """Lets the user click a segment in a slice view: `onPicked(label)`, None where the click hit none.

    The click places a markup point, as everywhere in Slicer; its node goes away with it.
    """

    def __init__(self, button, session, onPicked):
        self._button, self._session, self._onPicked = button, session, onPicked
        self._points, self._ras = None, None
        self._taking = qt.QTimer(button)
        self._taking.setSingleShot(True)
        self._taking.connect("timeout()", self._take)
        button.connect("toggled(bool)", self._onToggled)

    def update(self, reason):
        self._button.enabled = not reason
        if reason and self._points is not None:
            self._button.checked = False

    def _onToggled(self, on):
        self._start() if on else self._stop()

    def _start(self):
        scene, markups = slicer.mrmlScene, slicer.modules.markups.logic()
        self._points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "RegExplain pick")
        self._points.SetHideFromEditors(True)
        self._points.SetSaveWithScene(False)
        self._points.AddObserver(self._points.PointPositionDefinedEvent, self._onPlaced)
        markups.SetActiveList(self._points)
        markups.StartPlaceMode(False)

    def _stop(self):
        points, self._points = self._points, None
        if points is not None and points.GetScene() is not None:
            removeNodes(slicer.mrmlScene, [points])
            interaction = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode")
            if interaction is not None:
                interaction.SwitchToViewTransformMode()

    def _onPlaced(self, points, event):
        """Only note the place: Slicer goes on with the node after this event, and crashes where it is gone."""
        self._ras = [0.0] * 3
        points.GetNthControlPointPositionWorld(points.GetNumberOfControlPoints() - 1, self._ras)
        self._taking.start(0)

    def _take(self):
        if self._points is not None:  # else the user gave up meanwhile
            self._button.checked = False
            self._onPicked(self._labelAt(self._ras))

    def _labelAt(self, ras):
        """The fixed segmentation's label there; a point of a view that shows the moving scan is carried back."""
        result = self._session.result
        if result is None:
            return None
        shown = {composite.GetBackgroundVolumeID() for composite in result.sliceComposites()}
        if result.moving is not None and shown == {result.moving.GetID()}:
            ras = result.fixedPoint(ras)
        return labelAt(result.fixedSegmentation, ras)
