import qt
from slicer.i18n import tr as _

import slicer

from ...MRML.Segments import volumesMl
from ...MRML.TableNodes import addTable
from .Choices import Choices
from .SectionBody import SectionBody
from .Table import Table


class ResultSection:
    """Which registration is on show, and what it did to each segment."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "result", opens=True)
        self._results = Choices(ui.resultSelector, session.choose)
        self._table = Table(ui.segmentTable, columns(), self._onPicked)
        self._volumes = (None, {})  # of the registration of that id: counting voxels is not for every update
        ui.copyTableButton.connect("clicked()", self._copy)
        ui.tableNodeButton.connect("clicked()", self._addNode)
        session.changed.connect(self.update)

    def update(self):
        result, ui = self._session.result, self._ui
        self._page.show("" if result is not None else _("Register two volumes first."))
        titles = {r.id: titleOf(number, r.record) for number, r in enumerate(self._session.results, 1)}
        self._results.show(titles or {"": _("(none yet)")}, result.id if result is not None else "")
        ui.resultSelector.enabled = bool(titles)
        rows, bySegment = self._rows(), bool(result is not None and result.record["segments"])
        self._table.show(rows, segmentColumn() if bySegment else regionColumn())
        ui.segmentTable.visible = bool(rows)
        ui.regionsLabel.text = "" if bySegment or result is None else regionsNote(result.record)
        ui.regionsLabel.visible = bool(ui.regionsLabel.text)
        for button in (ui.copyTableButton, ui.tableNodeButton):
            button.enabled = bool(self._table.rows)

    def _rows(self):
        result = self._session.result
        if result is None:
            return []
        if not result.record["segments"]:
            return regionRows(result.record)
        names, changes = self._session.selection.segmentNames(), self._volumeChanges(result)
        rows = []
        for segment in result.record["segments"]:
            label = segment["label"]
            name = names.get(label, _("Segment {label}").format(label=label))
            toolTip = _("{name}: click to explain it.").format(name=name)
            rows.append((label, (name, *rowCells(segment, changes.get(label))), toolTip))
        return rows

    def _volumeChanges(self, result):
        """By label: how much larger the segment is in the moving than in the fixed scan, %; of those in both."""
        if self._volumes[0] != result.id:
            fixed, moving = volumesMl(result.fixedSegmentation), volumesMl(result.movingSegmentation)
            both = {label: 100 * (moving[label] / ml - 1) for label, ml in fixed.items() if ml and label in moving}
            self._volumes = result.id, both
        return self._volumes[1]

    def _copy(self):
        qt.QApplication.clipboard().setText(self._table.tsv())
        self._session.statusMessage.emit(_("The table is copied; paste it into a spreadsheet."), [])

    def _addNode(self):
        with self._session.messages.guard():
            node = addTable(slicer.mrmlScene, _("RegExplain segments"), self._table.titles, self._table.rows)
            self._session.statusMessage.emit(_("Added the table {name} to the scene.").format(name=node.GetName()), [])

    def _onPicked(self, label):
        if label in self._session.selection.segmentNames():
            self._session.parameterNode.region = label


def columns():
    """(title, tooltip, format); rows of `rowCells` after the name."""
    return [
        (*segmentColumn(), None),
        (_("Dice"), _("Overlap after the registration: 1, the segments coincide; 0, they do not touch."), "{:.2f}"),
        (_("Dice\nbefore"), _("Overlap before anything was moved."), "{:.2f}"),
        (_("Mean\nmm"), _("How far the segment was moved beyond the alignment, on average."), "{:.1f}"),
        (_("95 %\nmm"), _("95 % of the segment were moved less than this."), "{:.1f}"),
        (_("Max\nmm"), _("How far the segment was moved at most."), "{:.1f}"),
        (_("Vol.\n%"), _("How much larger it is in the moving than in the fixed scan, as segmented."), "{:+.0f}"),
        (
            _("det J"),
            _("Mean Jacobian determinant: the volume of its tissue in the moving scan over that here."),
            "{:.2f}",
        ),
        (
            _("Size\nml"),
            _("How large the region is as the network sees it: a check on that."),
            "{:.1f}",
        ),
    ]


def segmentColumn():
    """(title, tooltip) of the first column."""
    return _("Segment"), _("Of the fixed segmentation.")


def regionColumn():
    return _("Region"), _("What the network itself sees in the fixed scan, without a segmentation.")


def regionRows(record):
    """Without segments: what was moved where, the most moved first, and over the whole scan; [] where nothing bent."""
    if record["kind"] == "affine":
        return []
    regions = sorted(record.get("regions", []), key=lambda row: -row["displacement_mm"]["mean"])
    rows = [(row["label"], (row["name"], *rowCells(row, None)), row["name"]) for row in regions]
    name = _("Whole scan")
    whole = {"displacement_mm": record["displacement_mm"]}
    return [*rows, (0, (name, *rowCells(whole, None)), _("All of the fixed scan, the air about the body too."))]


def regionsNote(record):
    """Whose the regions are, as the user gave none, or why there are none."""
    if record["kind"] == "affine":
        return _("The moving scan was moved as a whole and not bent, so there are no figures by region.")
    if record.get("regions"):
        text = _(
            "By region, the most moved first: structures as {model} itself sees them in the fixed scan, roughly and "
            "unchecked. For Dice and figures of your own structures register with segmentations."
        )
        return text.format(model=record["model"]["name"])
    return _("For Dice and figures of structures register with segmentations.")


def rowCells(segment, volumeChange):
    """The cells of a row of the record's `segments` or `regions` after the name, None for what is not known."""
    dice, moved = segment.get("dice") or {}, segment["displacement_mm"]
    jacobian = segment.get("jacobian") or {}  # results of earlier versions have none
    return (
        *(dice.get(stage) for stage in ("after", "before")),
        *(moved[name] for name in ("mean", "p95", "max")),
        volumeChange,
        jacobian.get("mean"),
        segment.get("volume_ml"),
    )


def titleOf(number, record):
    """ "2: hippocampus, 13:05" """
    modelName = record["model"]["name"] if record["model"] is not None else _("affine only")
    if record.get("transform"):
        modelName = _("transform made elsewhere")
    return _("{number}: {made}, {time} UTC").format(number=number, made=modelName, time=record["created"][11:16])
