from slicer.i18n import tr as _

from ...MRML import TransformUse


class ApplySection:
    """Move another node by the registration on show: live or for good, one way or the other."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._text, self._toolTip = ui.applyButton.text, ui.applyButton.toolTip
        ui.applyButton.connect("clicked()", self._onClicked)
        session.changed.connect(self.update)

    def update(self):
        reason = self._disabledReason()
        self._ui.applyButton.enabled = not reason
        self._ui.applyButton.toolTip = reason or self._toolTip
        self._ui.applyButton.text = _("Take it out of the transform") if self._isApplied() else self._text

    def _disabledReason(self):
        if self._session.result is None:
            return _("Register two volumes first.")
        return "" if self._node() is not None else _("Choose a node to move.")

    def _node(self):
        parameters = self._session.parameterNode
        return parameters.applyTo if parameters is not None else None

    def _isApplied(self):
        node = self._node()
        return (
            node is not None and self._session.result is not None and TransformUse.isApplied(self._session.result, node)
        )

    def _onClicked(self):
        with self._session.messages.guard():
            self._session.statusMessage.emit(self._applyOrUndo(), [])
        self._session.changed.emit()

    def _applyOrUndo(self):
        """Do what the button says; returns it in a sentence."""
        result, node, parameters = self._session.result, self._node(), self._session.parameterNode
        if self._isApplied():
            TransformUse.unapply(node)
            return _("{name} lies where it was again.").format(name=node.GetName())
        if parameters.harden:
            copy = TransformUse.hardenedCopy(result, node, parameters.inverse)
            return _("Added {copy}; {name} itself stays as it is.").format(copy=copy.GetName(), name=node.GetName())
        TransformUse.apply(result, node, parameters.inverse)
        return _("{name} is shown moved; its own points or voxels are not changed.").format(name=node.GetName())
