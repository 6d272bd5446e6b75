"""Slicer's layout manager with its views, which draw into memory. Needs a GL library."""

from PySide6.QtCore import QPoint

import offscreen
from RegExplainLib.MRML.OffscreenViews import VIEW_PIXELS

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


class LayoutManager:
    """Slicer's default layout: three slice views and a 3D view."""

    threeDViewCount = 1

    def __init__(self, headless):
        pictures = offscreen.pictures(headless)
        self._slices = {view.sliceNode.GetLayoutName(): Widget(View(view)) for view in pictures.sliceViews}
        self._threeD = Widget(View(pictures.threeDView))
        for node in [widget.sliceView().mrmlSliceNode() for widget in self._slices.values()]:
            node.SetMappedInLayout(True)
        self._threeD.threeDView().mrmlViewNode().SetMappedInLayout(True)

    def sliceViewNames(self):
        return tuple(self._slices)

    def sliceWidget(self, name):
        return self._slices[name]

    def threeDWidget(self, number):
        return [self._threeD][number]
