class ResultViews:
    """Takes results out of the views and back, each with the layers that were visible."""

    def __init__(self):
        self._layers = {}  # by result id, those that were visible when it left the views

    def leave(self, result):
        """Take a registration out of the views, lest it be taken for the one on show."""
        visible = [layer for layer in result.layers() if layer.visible]
        self._layers.setdefault(result.id, visible)  # there still where it had not wholly entered
        result.leaveViews()

    def enterInSteps(self, result, fitted=True):
        """The same in the other direction, in steps (StepRunner)."""
        yield from result.enterViewsInSteps(fitted)
        yield
        for layer in self._layers.pop(result.id, []):
            if layer.added:
                layer.show()
                yield
