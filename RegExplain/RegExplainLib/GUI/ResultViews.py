class ResultViews:
    """Takes results out of the views and back, each with the layers that were visible."""

    def __init__(self):
        self._layers = {}  # by result id, those that were visible when it left the views

    def leave(self, result):
        """Take a registration out of the views, lest it be taken for the one on show."""
        self._layers[result.id] = [layer for layer in result.layers() if layer.visible]
        result.leaveViews()

    def enter(self, result, fitted=True):
        """The same in the other direction."""
        result.enterViews(fitted)
        for layer in self._layers.pop(result.id, []):
            if layer.added:
                layer.show()
