from slicer.i18n import tr as _

from regexplain.report.sentences import all_warnings, expected_error_sentences
from regexplain.report.verdict import checks, verdict

from ...MRML.Layers import ErrorLayer
from .JobButton import JobButton
from .LayerVisibility import setLayerVisible, updateCheckBox
from .SectionBody import SectionBody
from .Table import Table


class TrustSection:
    """What speaks for and against the registration on show: checks with their figures and reasons, and its warnings."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "trust")
        self._button = JobButton(ui.trustButton, session, "trust", self._measure)
        self._errorButton = JobButton(ui.errorButton, session, "error", self._estimate)
        self._boxes = {
            ui.showErrorCheckBox: "expected",
            ui.showBoundCheckBox: "bound90",
            ui.showDoubtCheckBox: "doubt",
        }
        for box, name in self._boxes.items():
            box.connect("toggled(bool)", self._shower(name))
        self._table = Table(ui.trustTable, columns())
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._disabledReason())
        self._errorButton.update(self._session.selection.reasonNoFiles())
        for box, name in self._boxes.items():
            updateCheckBox(box, self._layer(name))
        result = self._session.result
        self._page.show("" if result is not None else _("Register two volumes first."))
        found = self._checks(result.record) if result is not None else []
        self._table.show([(c.name, (f"{c.mark} {_(c.name)}", c.sentence), c.sentence) for c in found])
        self._ui.trustLabel.text = self._summaryText(result.record, found) if result is not None else ""
        self._ui.trustLabel.visible = bool(self._ui.trustLabel.text)

    def _checks(self, record):
        fixed = self._session.result.fixed
        return checks(record, min(fixed.GetSpacing()) if fixed is not None else None, self._hasIndicators())

    def _summaryText(self, record, found):
        warnings = dict.fromkeys(all_warnings(record))
        return "\n".join([verdict(found), *(_("Warning: {message}").format(message=w) for w in warnings)])

    def _hasIndicators(self):
        """Whether the model that made the registration on show can measure them."""
        card = self._session.selection.card
        return card is not None and card.has_indicators

    def _disabledReason(self):
        reason = self._session.selection.reasonNotExtendable()
        if not reason and not self._hasIndicators():
            return _("The model of this registration has no indicators of its own; what is known of it stands above.")
        return reason

    def _layer(self, name):
        """None where there is no such map, or its file is gone and it was never shown."""
        result = self._session.result
        maps = (result.record.get("error") or {"maps": []})["maps"] if result is not None else []
        if all(found["name"] != name for found in maps):
            return None
        layer = ErrorLayer(result, name)
        return layer if layer.added or result.folder is not None else None

    def _shower(self, name):
        return lambda shown: setLayerVisible(self._session, self._layer(name), shown)

    def _estimate(self):
        self._session.extendResult("error", "error", [], self._onEstimated)

    def _onEstimated(self):
        record = self._session.result.record
        self._session.statusMessage.emit(expected_error_sentences(record)[0], record["error"]["warnings"])

    def _measure(self):
        self._session.extendResult("trust", "trust", [], self._onMeasured)

    def _onMeasured(self):
        self._session.statusMessage.emit(
            _("Measured the indicators; see Trust."), self._session.result.record["trust"]["warnings"]
        )


def columns():
    """(title, tooltip, format)."""
    return [
        (_("Check"), _("✓ as it should be, ~ unusual, ! look closely, ✗ do not use, ? not known."), None),
        (_("Finding"), _("The figure, and what is usual."), None),
    ]
