"""Several stages of a network side by side."""

from .CustomLayout import STAGES, CustomLayout, viewName
from .Layers import HeatmapLayer
from .ResultNodes import SEGMENTATIONS
from .ViewFitting import fitSlices, refreshColorBars, sliceLogic


class StagesLayout(CustomLayout):
    """A slice view for each of some heatmaps, over the scan that it explains, with the outline of its region.

    stages: `heatmap_name` of each, from left to right.
    """

    number = STAGES

    def __init__(self, resultNodes, stages):
        super().__init__(resultNodes)
        self.layers = {viewName(number): HeatmapLayer(resultNodes, stage) for number, stage in enumerate(stages, 1)}
        self.labels = {name: number for number, name in enumerate(self.layers, 1)}

    def showInSteps(self):
        """As CustomLayout.show: add what is missing, change to the layout, and `fit` its views.

        Views that are new get their size from the application a turn of its event loop later: `fit` once more then.
        Raises BadInputError where a heatmap or the views are not to be had; the layout is then as it was.
        """
        for layer in self.layers.values():
            yield from self._addInSteps(layer)
            layer.hide()
        self._open()
        for node in filter(None, map(self.resultNodes.node, SEGMENTATIONS)):
            node.SetDisplayVisibility(False)  # each lies on one of the two scans alone
        for name, layer in self.layers.items():
            self._show(name, self.resultNodes.node(layer.space), layer)
            if layer.region:
                layer.region.GetDisplayNode().SetViewNodeIDs([sliceLogic(name).GetSliceNode().GetID()])
                layer.region.SetDisplayVisibility(True)
        refreshColorBars([sliceLogic(name) for name in self.layers])
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
        self._close()
        for layer in self.layers.values():
            if layer.region:
                layer.region.GetDisplayNode().RemoveAllViewNodeIDs()
                layer.region.SetDisplayVisibility(False)
        self._updateColorBars()
        self.resultNodes.showSpace("fixed")

    def _updateColorBars(self):
        for layer in self.layers.values():
            if layer.added:
                layer.updateColorBar()
