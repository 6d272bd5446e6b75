"""Check boxes that show and hide a layer."""


def setShown(session, layer, shown):
    """Show or hide; nothing for None. What fails is said in a sentence."""
    if layer is not None:
        with session.messages.guard():
            layer.add() if shown else layer.hide()
    session.changed.emit()


def showState(checkBox, layer):
    """Let a check box tell whether its layer is seen; disabled where there is none."""
    wasBlocked = checkBox.blockSignals(True)
    checkBox.enabled = layer is not None
    checkBox.checked = layer is not None and layer.visible
    checkBox.blockSignals(wasBlocked)
