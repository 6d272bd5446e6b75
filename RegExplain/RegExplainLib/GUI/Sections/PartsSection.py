from slicer.i18n import tr as _

from regexplain.report.sentences import decomposition_sentences

from .JobButton import JobButton
from .Table import Table


class PartsSection:
    """This very registration, part by part: how far each component moves the anatomy, and what is left."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._button = JobButton(ui.decomposeButton, session, "decompose", self._decompose)
        self._table = Table(ui.partsTable, columns(), self._onPicked)
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._disabledReason())
        result = self._session.result
        decomposition = result.record.get("decomposition") if result is not None else None
        self._table.show(
            [rowOf(number, part) for number, part in enumerate(decomposition["parts"], 1)] if decomposition else []
        )
        self._ui.partsLabel.text = "\n".join(decomposition_sentences(decomposition)) if decomposition else ""
        for widget in (self._ui.partsTable, self._ui.partsLabel):
            widget.visible = bool(decomposition)

    def _disabledReason(self):
        reason = self._session.selection.reasonNotExtendable()
        card = self._session.selection.card
        if not reason and card is not None and not card.has_components:
            return _("The model of this registration has no latent components to decompose it into.")
        return reason

    def _decompose(self):
        self._session.extendResult("decompose", "decompose", [], self._onDecomposed)

    def _onDecomposed(self):
        text = _("Decomposed into {count} parts; click one in the table, then press Play.")
        count = len(self._session.result.record["decomposition"]["parts"])
        self._session.statusMessage.emit(text.format(count=count), [])

    def _onPicked(self, number):
        self._session.parameterNode.motion = f"part {number}"


def columns():
    """(title, tooltip, format) of the cells of `rowOf`."""
    return [
        (_("Part"), _("The largest first."), "{:d}"),
        (_("Moved\nmm"), _("How far this part alone moves the anatomy, on average."), "{:.2f}"),
        (_("Left\nmm"), _("What of the registration remains unexplained after this part and all before it."), "{:.2f}"),
        (_("What it does"), _("As its arrows show; the component that makes it."), None),
    ]


def rowOf(number, part):
    """(key, cells, tooltip) of a part of the record's decomposition."""
    does = _("{does} (component {component})").format(does=part["name"], component=part["component"])
    return number, (number, part["moved_mm"]["mean"], part["remaining_mm"]["mean"], does), part["words"]
