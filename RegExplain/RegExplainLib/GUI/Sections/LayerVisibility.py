"""Controls that show what is in the scene, and check boxes that show and hide a layer."""

from contextlib import contextmanager


@contextmanager
def signalsBlocked(widget):
    """Block the widget's signals, for changes that are not the user's."""
    wasBlocked = widget.blockSignals(True)
    try:
        yield
    finally:
        widget.blockSignals(wasBlocked)


def setLayerVisible(session, layer, shown):
    """Show or hide a layer; None is ignored. A failure is shown as a message."""
    if layer is not None:
        with session.messages.guard():
            layer.add() if shown else layer.hide()
    session.changed.emit()


def updateCheckBox(checkBox, layer):
    """Set a check box to whether its layer is visible; disabled where there is no layer."""
    with signalsBlocked(checkBox):
        checkBox.enabled = layer is not None
        checkBox.checked = layer is not None and layer.visible
