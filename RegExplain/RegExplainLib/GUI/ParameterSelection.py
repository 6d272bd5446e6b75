import vtk


class ParameterSelection:
    """The parameter set that the panel shows; `changed` is emitted on each change of it."""

    def __init__(self, changed):
        self._changed = changed
        self._observerTag = None
        self.node = None  # ParameterNode; None while there is no scene to work on

    def show(self, node):
        """Follow another parameter set from now on."""
        if self.node is not None:
            self.node.RemoveObserver(self._observerTag)
        self.node = node
        if node is not None:
            modified = vtk.vtkCommand.ModifiedEvent
            self._observerTag = node.AddObserver(modified, lambda caller, event: self._changed.emit())
