"""Custom layouts: slice views side by side, each showing its own volume and layer."""

from regexplain.errors import BadInputError

from .Steps import taken
from .ViewFitting import STAGE_VIEW, sliceLogic

PREVIOUS = "RegExplain.PreviousLayout"
STAGES, RESULT = 20211, 20212  # among the scene's layouts: far from Slicer's own numbers, and other extensions'
VIEW = (
    '<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
    '<property name="orientation" action="default">Axial</property>'
    '<property name="viewlabel" action="default">{label}</property>'
    '<property name="viewcolor" action="default">#7F7F7F</property>'
    "</view></item>"
)


class CustomLayout:
    """A row of slice views. The application makes them with the layout; outside of it they must be there.

    Layers that are shown later go to the ordinary views. A subclass sets `number` and `labels` (of the views, by their
    names, from left to right).
    """

    number = 0
    labels = {}

    def __init__(self, resultNodes):
        self.resultNodes = resultNodes

    @property
    def shown(self):
        return self._layoutNode.GetViewArrangement() == self.number

    def show(self):
        """Change to the layout, with what it shows."""
        taken(self.showInSteps())

    def showInSteps(self):
        """The same in steps (Steps.py)."""
        raise NotImplementedError

    def _addInSteps(self, layer):
        """Add it, or show what is there."""
        prepared = () if layer.added else ((yield layer.prepare()),)
        layer.add(*prepared)
        yield

    def _open(self):
        """Change to the layout. Raises BadInputError where there are no views; the layout is then as it was."""
        node, description = self._layoutNode, layoutDescription(self.labels)
        described, before = node.IsLayoutDescription(self.number), node.GetViewArrangement()
        if before not in (STAGES, RESULT):
            node.SetAttribute(PREVIOUS, str(before))
        elif self.shown and node.GetLayoutDescription(self.number) != description:
            node.SetViewArrangement(node.SlicerLayoutNone)  # or the application keeps the views of the old description
        (node.SetLayoutDescription if described else node.AddLayoutDescription)(self.number, description)
        node.SetViewArrangement(self.number)
        if not all(map(sliceLogic, self.labels)):
            self._close()
            raise BadInputError(
                "Slicer runs without its main window, so there are no views to put side by side; show one heatmap at a "
                "time."
            )

    def _close(self):
        """Empty the views, and go back to the layout that was there before."""
        for logic in filter(None, map(sliceLogic, self.labels)):
            logic.GetSliceCompositeNode().SetForegroundVolumeID(None)
            logic.GetSliceCompositeNode().SetBackgroundVolumeID(None)
        if self.shown:
            self._layoutNode.SetViewArrangement(int(self._layoutNode.GetAttribute(PREVIOUS)))

    def _show(self, name, volume, layer=None):
        """A volume in the view of that name, with a map layer over it. Returns the view's composite node."""
        composite = sliceLogic(name).GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(volume.GetID())
        composite.SetForegroundVolumeID(layer.volume.GetID() if layer else None)
        composite.SetForegroundOpacity(layer.opacity if layer else 0)
        return composite

    @property
    def _layoutNode(self):
        scene = self.resultNodes.scene
        return scene.GetFirstNodeByClass("vtkMRMLLayoutNode") or scene.AddNewNodeByClass("vtkMRMLLayoutNode")


def leaveUnknownLayout(scene):
    """To be called when a scene was opened: Slicer saves a layout's number alone, so that of side by side is empty."""
    node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if node is None or node.GetViewArrangement() not in (STAGES, RESULT):
        return
    if not node.IsLayoutDescription(node.GetViewArrangement()):
        node.SetViewArrangement(int(node.GetAttribute(PREVIOUS)))
        _showEverywhere(scene)


def _showEverywhere(scene):
    """What was shown in the module's own views alone."""
    views, displays = (
        [scene.GetNthNodeByClass(n, name) for n in range(scene.GetNumberOfNodesByClass(name))]
        for name in ("vtkMRMLSliceNode", "vtkMRMLDisplayNode")
    )
    stageViews = {view.GetID() for view in views if view.GetLayoutName().startswith(STAGE_VIEW)}
    for display in displays:
        if any(display.GetNthViewNodeID(n) in stageViews for n in range(display.GetNumberOfViewNodeIDs())):
            display.RemoveAllViewNodeIDs()


def viewName(what):
    """Of a view of the module's own."""
    return f"{STAGE_VIEW}{what}"


def layoutDescription(labels):
    """Slicer's XML for slice views of these labels, by name, side by side."""
    views = "".join(VIEW.format(name=name, label=label) for name, label in labels.items())
    return f'<layout type="horizontal" split="true">{views}</layout>'
