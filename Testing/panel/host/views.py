"""Slicer's layout manager with its views, which draw into memory. Needs a GL library."""

from RegExplainLib.MRML.Pictures import Pictures


class View:
    """qMRMLSliceView and qMRMLThreeDView, as far as RegExplain asks."""

    def __init__(self, offscreen):
        self.offscreen = offscreen
        offscreen.render()

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
        pictures = Pictures(headless)
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
