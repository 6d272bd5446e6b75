import numpy as np
from slicer.i18n import tr as _

from ...MRML.Conversion import LPS_TO_RAS
from ...MRML.Layers import ChangesLayer
from .JobButton import JobButton
from .LayerVisibility import setLayerVisible, updateCheckBox
from .Table import Table


class ChangesSection:
    """The part of the section Compare that says what changed between two scans, apart from what moved."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._button = JobButton(ui.changesButton, session, "changes", self._find)
        self._table = Table(ui.changesTable, columns(), self._onPicked)
        ui.showChangesCheckBox.connect("toggled(bool)", lambda shown: setLayerVisible(session, self._layer(), shown))
        session.changed.connect(self.update)

    def update(self):
        self._button.update(self._session.selection.reasonNoFiles())
        places = self._places()
        self._table.show([(n, cellsOf(place), place["place"]) for n, place in enumerate(places)])
        self._ui.changesTable.visible = bool(places)
        updateCheckBox(self._ui.showChangesCheckBox, self._layer())

    def _places(self):
        result = self._session.result
        return ((result is not None and result.record.get("changes")) or {"places": []})["places"]

    def _layer(self):
        """That is there, or can be made of the result folder; None otherwise."""
        result = self._session.result
        if result is None or not result.record.get("changes"):
            return None
        layer = ChangesLayer(result)
        return layer if layer.added or result.folder is not None else None

    def _find(self):
        self._session.extendResult("changes", "changes", [], self._onFound)

    def _onFound(self):
        self._layer().remove()  # of the error map as it was before
        setLayerVisible(self._session, self._layer(), True)
        count = len(self._places())
        text = _("Places that changed, apart from what moved: {count}. This is no detector of disease.")
        self._session.statusMessage.emit(text.format(count=count), [])

    def _onPicked(self, number):
        point = np.array(self._places()[number]["centre_mm"]) @ LPS_TO_RAS[:3, :3]
        self._session.result.showPoint(point, "fixed")


def columns():
    """(title, tooltip, format); rows of `cellsOf`."""
    return [
        (_("Change"), _("Of the moving scan against the fixed one."), None),
        (_("Vol.\nml"), _("How large the place is."), "{:.2f}"),
        (_("SD"), _("How much brighter, on average, in standard deviations of the noise."), "{:+.1f}"),
        (_("Where"), _("The segment, or the part of the tissue, that it lies in."), None),
    ]


def cellsOf(place):
    return (_(place["kind"]), place["volume_ml"], place["difference_sd"], place["place"])
