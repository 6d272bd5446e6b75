import json
import shutil

from slicer.i18n import tr as _

from ..Signal import Signal
from .WorkerProcess import KILLED, NOT_STARTED, WorkerProcess

EVENTS = {
    "started": {"pid": int},
    "progress": {"stage": str, "done": int, "total": int},
    "warning": {"message": str},
    "finished": {"result": str},
    "error": {"message": str},
}


class JobRunner:
    """One `regexplain` verb at a time in a worker process; its progress lines (docs/architecture.md) become signals.

    progress(stage, done, total), warning(message) and logged(line) come while it runs, then one of finished(result
    path), failed(sentence) and cancelled(). The scratch folder is removed after that.
    """

    def __init__(self, makeProcess=WorkerProcess):
        self.progress, self.warning, self.logged = Signal(), Signal(), Signal()
        self.finished, self.failed, self.cancelled = Signal(), Signal(), Signal()
        self._makeProcess = makeProcess
        self._process = None

    @property
    def running(self):
        return self._process is not None

    def start(self, arguments, scratch):
        """Run `regexplain` with `arguments` in the folder `scratch`, which the job owns from now on."""
        if self.running:
            raise RuntimeError("A job is running already.")
        self._scratch = scratch
        self._result, self._error, self._cancelling = None, "", False
        self._process = self._makeProcess()
        self._process.outputLine.connect(self._onOutput)
        self._process.errorLine.connect(self.logged.emit)
        self._process.ended.connect(self._onEnded)
        self.logged.emit("regexplain " + " ".join(arguments))
        self._process.start([*arguments, "--progress", "json"], scratch)

    def cancel(self):
        """End the worker and its children within two seconds; `cancelled` follows."""
        if self.running and not self._cancelling:
            self._cancelling = True
            self._process.stop()

    def shutDown(self):
        """As `cancel`, but everything has ended on return."""
        if self.running:
            self._cancelling = True
            self._process.kill()

    def _onOutput(self, line):
        event = parsedEvent(line)
        if event is None:  # a library printed something
            self.logged.emit(line)
            return
        name, values = event
        {
            "started": self._process.knowsGroup,
            "progress": self.progress.emit,
            "warning": self.warning.emit,
            "finished": self._keepResult,
            "error": self._keepError,
        }[name](*values)

    def _keepResult(self, path):
        self._result = path

    def _keepError(self, sentence):
        self._error = sentence

    def _onEnded(self, exitCode):
        self._process = None
        if self._cancelling:
            self._conclude(self.cancelled)
        elif self._error:
            self._conclude(self.failed, self._error)
        elif self._result is not None:  # whatever a library does on the way out
            self._conclude(self.finished, self._result)
        else:
            self._conclude(self.failed, whyItEnded(exitCode))

    def _conclude(self, signal, *values):
        scratch = self._scratch
        try:
            signal.emit(*values)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def parsedEvent(line):
    """(name, values) of a progress line; None for any other text."""
    try:
        event = json.loads(line)
        return event["event"], [kind(event[name]) for name, kind in EVENTS[event["event"]].items()]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def whyItEnded(exitCode):
    """One sentence for a worker that gave no answer."""
    if exitCode == NOT_STARTED:
        return _("Slicer's Python could not be started; the log below says why. Installing Slicer again may help.")
    if exitCode == KILLED:
        return _(
            "The computation was ended, most often for lack of memory; close programs or crop the scans, and try again."
        )
    text = _(
        "The computation stopped without an answer (exit code {code}); see the end of the log below, then try again."
    )
    return text.format(code=exitCode)
