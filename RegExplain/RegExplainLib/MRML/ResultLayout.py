"""What a registration did, in three views: the fixed scan, the registered moving scan, and how far tissue was moved."""

from .Anatomy import largestDisplacement
from .CustomLayout import RESULT, CustomLayout, viewName
from .Layers import DisplacementLayer, GlyphLayer
from .ViewFitting import fitSlices, refreshColorBars, sliceLogic

FIXED, REGISTERED, MOVED = map(viewName, ("Fixed", "Registered", "Moved"))


class ResultLayout(CustomLayout):
    """Three linked slice views, with the outlines on all: the fixed scan, the moving scan after the registration, and
    the fixed scan with arrows and colours of mm, which are in that view alone."""

    number = RESULT
    labels = {FIXED: "Fixed", REGISTERED: "Registered", MOVED: "Moved"}

    @property
    def possible(self):
        """Whether the result has what the views show."""
        result = self.resultNodes
        return None not in (result.fixed, result.warpedMoving, result.deformation)

    def showInSteps(self):
        """As CustomLayout.show: add what is missing, change to the layout, and `fit` its views.

        Views that are new get their size from the application a turn of its event loop later: `fit` once more then.
        Raises BadInputError where there are no views, or nothing was bent; the layout is then as it was.
        """
        result = self.resultNodes
        arrows, colours = GlyphLayer(result), DisplacementLayer(result)
        for layer in (arrows, colours):
            yield from self._addInSteps(layer)
        self._open()
        composites = [
            self._show(FIXED, result.fixed),
            self._show(REGISTERED, result.warpedMoving),
            self._show(MOVED, result.fixed, colours),
        ]
        for composite in composites:
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)
        arrows.displayNode.SetViewNodeIDs([sliceLogic(MOVED).GetSliceNode().GetID()])
        refreshColorBars([sliceLogic(name) for name in self.labels])
        colours.updateColorBar()
        arrows.show()
        yield
        self.fit()

    def fit(self):
        """Show the scans whole, where most moved. Nothing happens where it is on show no more."""
        if self.shown and self.possible:
            fitSlices([sliceLogic(name) for name in self.labels], largestDisplacement(self.resultNodes))

    def hide(self):
        """Go back to the layout that was there before, with the layers in it."""
        self._close()
        self.release()

    def release(self):
        """Let its layers be seen in all views again."""
        arrows, colours = GlyphLayer(self.resultNodes), DisplacementLayer(self.resultNodes)
        if arrows.added:
            arrows.displayNode.RemoveAllViewNodeIDs()
        if colours.added:
            colours.updateColorBar()
