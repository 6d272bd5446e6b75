import time

from slicer.i18n import tr as _

MIN_ELAPSED_S = 2.0  # before this the time left is a guess
MINUTE_S = 90  # from here on in minutes


class JobSection:
    """Progress bar, status line and log of the running job."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._warnings = []
        self._wasRunning = False
        self._stage, self._began = "", 0.0
        runner = session.runner
        runner.progress.connect(self._onProgress)
        runner.warning.connect(self._onWarning)
        runner.logged.connect(ui.logText.appendPlainText)
        session.statusMessage.connect(self._showMessage)
        session.changed.connect(self.update)
        self._showStatus("")

    def update(self):
        running = bool(self._session.job)
        if running and not self._wasRunning:
            self._warnings = []
            self._stage = ""
            self._showProgress(_("Starting"), 0, 0)
            self._showStatus("")
        elif self._session.parameterNode is None:  # what it was about went with the scene
            self._warnings = []
            self._showStatus("")
        self._wasRunning = running
        self._ui.progressBar.visible = running

    def _onProgress(self, stage, done, total):
        if stage != self._stage:
            self._stage, self._began = stage, time.monotonic()
        self._showProgress(stage, done, total)
        self._ui.logText.appendPlainText(f"{stage}: {done}/{total}")

    def _showProgress(self, stage, done, total):
        """A total of 0 makes the bar swing, for work of unknown length."""
        bar = self._ui.progressBar
        bar.setRange(0, max(total, 0))
        bar.value = min(max(done, 0), max(total, 0))
        left = timeLeft(time.monotonic() - self._began, done, total)
        bar.format = f"{_(stage)}: %p %{left}" if total > 0 else f"{_(stage)}…"

    def _onWarning(self, message):
        self._warnings.append(message)
        self._ui.logText.appendPlainText(_("Warning: {message}").format(message=message))

    def _showMessage(self, text, warnings):
        messages = dict.fromkeys([*self._warnings, *warnings])
        self._showStatus("\n".join([text, *(_("Warning: {message}").format(message=m) for m in messages)]))

    def _showStatus(self, text):
        self._ui.statusLabel.text = text
        self._ui.statusLabel.visible = bool(text)


def timeLeft(elapsed, done, total):
    """ ", about 12 s left", as the stage went so far; "" while that says little."""
    if elapsed < MIN_ELAPSED_S or not 0 < done < total:
        return ""
    seconds = elapsed * (total - done) / done
    if seconds < MINUTE_S:
        return _(", about {seconds} s left").format(seconds=max(1, round(seconds)))
    return _(", about {minutes} min left").format(minutes=round(seconds / 60))
