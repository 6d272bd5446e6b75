from slicer.i18n import tr as _

from ...Signal import Signal


class RunningJob:
    """The one job that may run: its name, and the parameter set that it was started from.

    `ended` tells that it is over; `changed` and `said(text, warnings)` are the session's.
    """

    def __init__(self, parameters, changed, statusMessage):
        self._parameters, self.changed, self._statusMessage = parameters, changed, statusMessage
        self.ended = Signal()
        self.name = ""  # while none runs
        self.startedFrom = None  # ParameterNode

    @property
    def startedFromShown(self):
        """Whether it is of the parameter set on show, or of one that was deleted meanwhile."""
        node = self.startedFrom.parameterNode
        return node is self._parameters.node.parameterNode or node.GetScene() is None

    def begin(self, name):
        self.name = name
        self.changed.emit()

    def end(self, text=""):
        """text: for the status line."""
        if text:
            self.showStatus(text)
        self.name = ""
        self.ended.emit()
        self.changed.emit()

    def cancelled(self):
        self.end(_("Cancelled. Nothing in your scene was changed."))

    def showStatus(self, text):
        self._statusMessage.emit(text, [])
