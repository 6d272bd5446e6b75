import qt
from slicer.i18n import tr as _

REPORT = "report.html"


class ReportSection:
    """Open the page about the registration on show, and keep its files."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._toolTips = {button: button.toolTip for button in (ui.reportButton, ui.saveResultButton)}
        ui.reportButton.connect("clicked()", self._open)
        ui.saveResultButton.connect("clicked()", self._save)
        session.changed.connect(self.update)

    def update(self):
        whyNot = self._session.whyNoFiles()
        self._setState(self._ui.reportButton, whyNot or self._whyNoReport())
        busy = _("Another computation is running.") if self._session.job else ""
        self._setState(self._ui.saveResultButton, whyNot or busy)

    def _setState(self, button, whyNot):
        button.enabled = not whyNot
        button.toolTip = whyNot or self._toolTips[button]

    def _whyNoReport(self):
        if self._session.result.folder.file(REPORT) is None:
            return _("This registration has no report; register again.")
        return ""

    def _open(self):
        path = self._session.result.folder.file(REPORT)
        if path is None or not qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path))):
            self._session.messages.error(
                _("No program opened the report; save the result folder and open report.html in a web browser.")
            )

    def _save(self):
        folder = self._session.messages.askFolder(_("Where to save the result folder"))
        if folder:
            self._session.copyFolder(folder)
