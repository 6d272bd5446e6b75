import qt
from slicer.i18n import tr as _

from regexplain.report import write_report
from regexplain.results import ResultFolder
from regexplain.results.view_capture import ViewCaptures

from ..Views import captureViews
from .SectionBody import SectionBody

REPORT = "report.html"


class ReportSection:
    """Open the page about the registration on show, and keep its files."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "report")
        self._toolTips = {button: button.toolTip for button in (ui.reportButton, ui.saveResultButton)}
        ui.reportButton.connect("clicked()", self._open)
        ui.saveResultButton.connect("clicked()", self._save)
        session.changed.connect(self.update)

    def update(self):
        busy = _("Another computation is running.") if self._session.job else ""
        self._page.show(self._session.selection.reasonNoFiles())
        reason = self._session.selection.reasonNoFiles() or busy
        self._setState(self._ui.reportButton, reason or self._reasonNoReport())
        self._setState(self._ui.saveResultButton, reason)

    def _setState(self, button, reason):
        button.enabled = not reason
        button.toolTip = reason or self._toolTips[button]

    def _reasonNoReport(self):
        if self._session.result.folder.file(REPORT) is None:
            return _("This registration has no report; register again.")
        return ""

    def _open(self):
        path = self._session.result.folder.file(REPORT)
        if path is not None:
            with self._session.messages.guard():
                self._addViews()
        if path is None or not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._session.messages.error(
                _("No program opened the report; save the result folder and open report.html in a web browser.")
            )

    def _addViews(self):
        """Let the report show what the user sees."""
        result = self._session.result
        self._session.left.emit()  # a comparison's picture is none of the views' own
        if views := captureViews(result):
            folder = ResultFolder.open(result.folder.path)  # its own copy of the record: adding may fail
            folder.add(ViewCaptures(views))
            write_report(folder)
            result.folder = folder
        else:
            self._session.statusMessage.emit(
                _("The report is without pictures of the views, as Slicer shows none here."), []
            )

    def _save(self):
        folder = self._session.messages.askFolder(_("Where to save the result folder"))
        if folder:
            self._session.copyFolder(folder)
