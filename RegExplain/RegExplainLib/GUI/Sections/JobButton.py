from slicer.i18n import tr as _


class JobButton:
    """A button that starts a job and, while that runs, cancels it."""

    def __init__(self, button, session, job, start):
        self._button, self._session, self._job, self._start = button, session, job, start
        self._text, self._toolTip = button.text, button.toolTip
        button.connect("clicked()", self._onClicked)

    def update(self, reason="", text=""):
        """Enabled unless another job runs or there is a reason against it, which its tooltip then gives."""
        running = self._session.job == self._job
        if self._session.job and not running:
            reason = _("Another computation is running.")
        self._button.enabled = running or not reason
        self._button.text = _("Cancel") if running else text or self._text
        self._button.toolTip = (
            _("Stop the computation; your scene stays as it was.") if running else reason or self._toolTip
        )

    def _onClicked(self):
        if self._session.job == self._job:
            self._session.cancel()
        else:
            self._start()
