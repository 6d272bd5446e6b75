import numpy as np
from slicer.i18n import tr as _

import slicer
from regexplain.report.sentences import landmark_sentences

from ...MRML.Conversion import LPS_TO_RAS
from ...MRML.Layers import LandmarkLayer
from ...MRML.NodeExport import writeLandmarks
from .JobButton import JobButton
from .LayerVisibility import setLayerVisible, updateCheckBox
from .SectionBody import SectionBody
from .Table import Table

SPACES = ("fixed", "moving")


class LandmarksSection:
    """How far apart points of the user's lie in the registration on show."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "landmarks")
        self._button = JobButton(ui.landmarksButton, session, "landmarks", self._measure)
        self._table = Table(ui.landmarksTable, columns(), self._onPicked)
        self._boxes = {"fixed": ui.showLandmarksCheckBox, "moving": ui.showMovingLandmarksCheckBox}
        selectors = {"fixed": ui.fixedLandmarksSelector, "moving": ui.movingLandmarksSelector}
        for space in SPACES:
            self._boxes[space].connect("toggled(bool)", self._shower(space))
            selectors[space].connect("nodeAddedByUser(vtkMRMLNode*)", self._placer(space))
        session.changed.connect(self.update)

    def update(self):
        result = self._session.result
        self._page.show("" if result is not None else _("Register two volumes first."))
        self._button.update(self._disabledReason())
        measured = self._measured()
        self._table.show([(n, cellsOf(row), row["label"]) for n, row in enumerate(measured["pairs"])])
        words = landmark_sentences({"landmarks": measured}) if measured["pairs"] else []
        words += [_("Warning: {message}").format(message=warning) for warning in measured["warnings"]]
        self._ui.landmarksLabel.text = "\n".join(words)
        for shown in (self._ui.landmarksTable, self._ui.landmarksLabel):
            shown.visible = bool(measured["pairs"])
        for space in SPACES:
            updateCheckBox(self._boxes[space], self._layer(space))

    def _measured(self):
        """The record's part about landmarks, empty where there is none."""
        result = self._session.result
        return (result is not None and result.record.get("landmarks")) or {"pairs": [], "warnings": []}

    def _layer(self, space):
        return LandmarkLayer(self._session.result, space) if self._measured()["pairs"] else None

    def _disabledReason(self):
        if reason := self._session.selection.reasonNoFiles():
            return reason
        chosen = self._session.parameterNode
        if chosen.fixedLandmarks is None or chosen.movingLandmarks is None:
            return _("Place points in both scans first: choose or create a list for each.")
        if chosen.fixedLandmarks is chosen.movingLandmarks:
            return _("Choose two different lists of landmarks.")
        return ""

    def _measure(self):
        chosen = self._session.parameterNode
        lists = {"fixed": chosen.fixedLandmarks, "moving": chosen.movingLandmarks}

        def options(scratch):
            files = {space: writeLandmarks(node, scratch / f"{space}.mrk.json") for space, node in lists.items()}
            return [word for space, file in files.items() for word in (f"--{space}-landmarks", file)]

        self._session.extendResult("landmarks", "landmarks", options, self._onMeasured)

    def _onMeasured(self):
        shown = next((space for space in SPACES if self._layer(space).visible), "fixed")
        for space in SPACES:
            self._layer(space).remove()  # of the points as they were before
        setLayerVisible(self._session, self._layer(shown), True)
        self._session.statusMessage.emit(
            landmark_sentences(self._session.result.record)[0], self._measured()["warnings"]
        )

    def _onPicked(self, number):
        point = np.array(self._measured()["pairs"][number]["fixed"]) @ LPS_TO_RAS[:3, :3]
        self._session.result.showPoint(point, "fixed")

    def _shower(self, space):
        return lambda shown: setLayerVisible(self._session, self._layer(space), shown)

    def _placer(self, space):
        """Let clicks in the slice views fill a list that is new, on the scan that it is for."""

        def place(node):
            if self._session.result is not None:
                self._session.result.showSpace(space)
            markups = slicer.modules.markups.logic()
            markups.SetActiveList(node)
            markups.StartPlaceMode(True)

        return place


def columns():
    """(title, tooltip, format); rows of `cellsOf`."""
    return [
        (_("Landmark"), _("As it is called in the fixed list."), None),
        (_("After\nmm"), _("From where the registration carries it to its counterpart in the moving scan."), "{:.1f}"),
        (
            _("Left out\nmm"),
            _("The same where it was not used in refining: one that was used vouches for nothing."),
            "{:.1f}",
        ),
        (_("Expect.\nmm"), _("The error by the error map there, which knows nothing of landmarks."), "{:.1f}"),
        (_("Before\nmm"), _("From it to its counterpart, as the scans lay before."), "{:.1f}"),
        (_("Aligned\nmm"), _("After the alignment of the two scans as wholes."), "{:.1f}"),
    ]


def cellsOf(row):
    """Of a row of the record's landmarks; None for what is not known."""
    steps = row["distance_mm"]
    return (
        row["label"],
        steps["after"],
        steps.get("left_out"),
        row.get("expected_mm"),
        steps["before"],
        steps["aligned"],
    )
