"""Slicer's layout manager with its views, which draw into memory. Needs a GL library."""

from xml.etree import ElementTree

from PySide6.QtCore import QPoint, QTimer

import offscreen
from RegExplainLib.MRML.OffscreenViews import VIEW_PIXELS, SliceView

SCREEN_PIXELS = 2  # for one of Qt's, as on a fine screen
SIDE = VIEW_PIXELS // SCREEN_PIXELS  # of a view, in Qt's pixels
WINDOW, BAR, GAP = (300, 80), 25, 4  # where the layout begins; a view's own bar; between two views
PLACES = {"Red": (0, 0), "1": (0, 1), "Green": (1, 0), "Yellow": (1, 1)}  # (row, column)


class View:
    """qMRMLSliceView and qMRMLThreeDView, as far as RegExplain asks."""

    width = SIDE

    def __init__(self, offscreen):
        self.offscreen = offscreen
        offscreen.render()

    def mapToGlobal(self, point):
        row, column = PLACES[self.offscreen.viewNode.GetLayoutName()]
        corner = QPoint(WINDOW[0] + column * (SIDE + GAP), WINDOW[1] + BAR + row * (SIDE + BAR + GAP))
        return corner + point

    def forceRender(self):
        self.offscreen.render()

    def scheduleRender(self):
        pass

    def renderWindow(self):
        return self.offscreen.window

    def mrmlSliceNode(self):
        return self.offscreen.viewNode

    def mrmlViewNode(self):
        return self.offscreen.viewNode


class Widget:
    """qMRMLSliceWidget and qMRMLThreeDWidget."""

    def __init__(self, view):
        self._view = view

    def sliceView(self):
        return self._view

    def threeDView(self):
        return self._view


UNSIZED = 30  # pixels: of a view that the layout has not laid out yet


class LateView(SliceView):
    """A slice view as the application makes it with a layout: its managers draw before its own layers are known, and
    it gets its size, at offset 0, one turn of the event loop later."""

    def __init__(self, headless, name, orientation):
        super().__init__(headless, name, orientation)
        logics = headless.applicationLogic.GetSliceLogics()
        logics.RemoveItem(self._logic)
        self.render()
        logics.AddItem(self._logic)
        self._logic.ResizeSliceNode(UNSIZED, UNSIZED)
        QTimer.singleShot(0, self._laidOut)

    def _laidOut(self):
        self._logic.ResizeSliceNode(VIEW_PIXELS, VIEW_PIXELS)
        self.sliceNode.SetSliceOffset(0)


class LayoutManager:
    """Slicer's default layout: three slice views and a 3D view; and the slice views of a layout that a module adds."""

    threeDViewCount = 1

    def __init__(self, headless):
        self._headless, self.lateViews = headless, {}
        headless.scene.AddObserver(headless.scene.NodeAddedEvent, lambda *_: self._followLayout())
        pictures = offscreen.pictures(headless)
        self._slices = {view.sliceNode.GetLayoutName(): Widget(View(view)) for view in pictures.sliceViews}
        self._threeD = Widget(View(pictures.threeDView))
        for node in [widget.sliceView().mrmlSliceNode() for widget in self._slices.values()]:
            node.SetMappedInLayout(True)
        self._threeD.threeDView().mrmlViewNode().SetMappedInLayout(True)

    def _followLayout(self):
        """The scene has one layout node, which comes with the first layout that a module asks for."""
        node = self._headless.scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        if node is not None and not node.HasObserver("ModifiedEvent"):
            # Not of `node` itself: VTK then takes the two for garbage where nothing else in Python holds the node.
            node.AddObserver("ModifiedEvent", lambda caller, event: self._makeViews(caller))

    def _makeViews(self, node):
        if not node.IsLayoutDescription(node.GetViewArrangement()):
            return
        description = node.GetLayoutDescription(node.GetViewArrangement())
        for view in ElementTree.fromstring(description).iter("view") if description else ():
            name = view.get("singletontag")
            if view.get("class") == "vtkMRMLSliceNode" and name not in self._slices and name not in self.lateViews:
                self.lateViews[name] = LateView(self._headless, name, "Axial")

    def sliceViewNames(self):
        return tuple(self._slices)

    def sliceWidget(self, name):
        return self._slices[name]

    def threeDWidget(self, number):
        return [self._threeD][number]
