"""Controls that show what is in the scene, and check boxes that show and hide a layer."""

from contextlib import contextmanager


@contextmanager
def signalsBlocked(widget):
    """While it is open, the widget tells nobody of its changes: they are not the user's."""
    wasBlocked = widget.blockSignals(True)
    try:
        yield
    finally:
        widget.blockSignals(wasBlocked)


def setLayerVisible(session, layer, shown):
    """Show or hide; nothing for None. What fails is said in a sentence."""
    if layer is not None:
        with session.messages.guard():
            layer.add() if shown else layer.hide()
    session.changed.emit()


def updateCheckBox(checkBox, layer):
    """Let a check box tell whether its layer is seen; disabled where there is none."""
    with signalsBlocked(checkBox):
        checkBox.enabled = layer is not None
        checkBox.checked = layer is not None and layer.visible
