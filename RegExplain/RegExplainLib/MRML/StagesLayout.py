"""Several stages of a network side by side."""

from regexplain.errors import BadInputError

from .Layers import HeatmapLayer
from .ResultNodes import SEGMENTATIONS
from .ViewFitting import STAGE_VIEW, fitSlices, sliceLogic, tellOfColorBars

LAYOUT = 20211  # among the scene's layouts: far from Slicer's own numbers, and other extensions'
PREVIOUS = "RegExplain.PreviousLayout"
VIEW = (
    '<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
    '<property name="orientation" action="default">Axial</property>'
    '<property name="viewlabel" action="default">{number}</property>'
    '<property name="viewcolor" action="default">#7F7F7F</property>'
    "</view></item>"
)


class StagesLayout:
    """A slice view for each of some heatmaps, over the scan that it explains, with the outline of its region.

    stages: `heatmap_name` of each, from left to right. The views are a layout of their own; layers that are shown later
    go to the ordinary views. The application makes the views with the layout; outside of it they must be there.
    """

    def __init__(self, resultNodes, stages):
        self.resultNodes = resultNodes
        self.layers = {viewName(number): HeatmapLayer(resultNodes, stage) for number, stage in enumerate(stages, 1)}

    @property
    def shown(self):
        return self._layoutNode.GetViewArrangement() == LAYOUT

    def show(self):
        """Add what is missing, change to the layout, and `fit` its views.

        Views that are new get their size from the application a turn of its event loop later: `fit` once more then.
        Raises BadInputError where a heatmap or the views are not to be had; the layout is then as it was.
        """
        for layer in self.layers.values():
            layer.add().hide()
        self._changeLayout()
        if not all(map(sliceLogic, self.layers)):
            self.hide()
            raise BadInputError(
                "Slicer runs without its main window, so there are no views to put side by side; show one heatmap at a "
                "time."
            )
        for node in filter(None, map(self.resultNodes.node, SEGMENTATIONS)):
            node.SetDisplayVisibility(False)  # each lies on one of the two scans alone
        for name, layer in self.layers.items():
            self._fill(name, layer)
        tellOfColorBars([sliceLogic(name) for name in self.layers])
        self._updateColorBars()
        self.fit()

    def fit(self):
        """Show each scan whole, at the first stage's hottest point. Nothing happens where it is on show no more."""
        first = next(iter(self.layers.values()))
        if self.shown and first.added:
            spots = first.hottest()
            for name, layer in self.layers.items():
                fitSlices([sliceLogic(name)], spots[layer.space])

    def hide(self):
        """Go back to the layout that was there before, and to the fixed scan with its outlines."""
        for name, layer in self.layers.items():
            if logic := sliceLogic(name):
                logic.GetSliceCompositeNode().SetForegroundVolumeID(None)
                logic.GetSliceCompositeNode().SetBackgroundVolumeID(None)
            if layer.region:
                layer.region.GetDisplayNode().RemoveAllViewNodeIDs()
                layer.region.SetDisplayVisibility(False)
        self._updateColorBars()
        if self.shown:
            self._layoutNode.SetViewArrangement(int(self._layoutNode.GetAttribute(PREVIOUS)))
        self.resultNodes.showSpace("fixed")

    @property
    def _layoutNode(self):
        scene = self.resultNodes.scene
        return scene.GetFirstNodeByClass("vtkMRMLLayoutNode") or scene.AddNewNodeByClass("vtkMRMLLayoutNode")

    def _changeLayout(self):
        node, description = self._layoutNode, layoutDescription(self.layers)
        known = node.IsLayoutDescription(LAYOUT)
        if not self.shown:
            node.SetAttribute(PREVIOUS, str(node.GetViewArrangement()))
        elif known and node.GetLayoutDescription(LAYOUT) != description:
            node.SetViewArrangement(node.SlicerLayoutNone)  # or the application keeps the views of the old description
        (node.SetLayoutDescription if known else node.AddLayoutDescription)(LAYOUT, description)
        node.SetViewArrangement(LAYOUT)

    def _updateColorBars(self):
        for layer in self.layers.values():
            if layer.added:
                layer.updateColorBar()

    def _fill(self, name, layer):
        logic = sliceLogic(name)
        composite = logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(self.resultNodes.node(layer.space).GetID())
        composite.SetForegroundVolumeID(layer.volume.GetID())
        composite.SetForegroundOpacity(layer.opacity)
        if layer.region:
            layer.region.GetDisplayNode().SetViewNodeIDs([logic.GetSliceNode().GetID()])
            layer.region.SetDisplayVisibility(True)


def leaveUnknownLayout(scene):
    """To be called when a scene was opened: Slicer saves a layout's number alone, so that of side by side is empty."""
    node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if node is not None and node.GetViewArrangement() == LAYOUT and not node.IsLayoutDescription(LAYOUT):
        node.SetViewArrangement(int(node.GetAttribute(PREVIOUS)))


def viewName(number):
    """Of the view that is the number-th from the left, from 1."""
    return f"{STAGE_VIEW}{number}"


def layoutDescription(names):
    """Slicer's XML for slice views of these names, side by side."""
    views = "".join(VIEW.format(name=name, number=number) for number, name in enumerate(names, 1))
    return f'<layout type="horizontal" split="true">{views}</layout>'
