import json
import shutil

import qt
from slicer.i18n import tr as _

from ...Signal import Signal
from .WorkerProcess import KILLED, NOT_STARTED, WorkerProcess

EVENTS = {
    "started": {"pid": int},
    "progress": {"stage": str, "done": int, "total": int},
    "warning": {"message": str},
    "finished": {"result": str},
    "error": {"message": str},
    "ended": {"code": int},
}
IDLE_MS = 10 * 60 * 1000  # after which a worker that nobody needs gives back its memory


class JobRunner:
    """One `regexplain` verb at a time; its progress lines (docs/worker.md) become signals.

    All run in one worker process, which keeps what it loaded from one verb to the next. `releaseWorker`, a cancelled
    job, or a while without a job ends it; the next job then starts another.
    progress(stage, done, total), warning(message) and logged(line) come while a job runs, then one of finished(result
    path), failed(sentence) and cancelled(). The scratch folder is removed after that.
    """

    def __init__(self, makeProcess=WorkerProcess):
        self.progress, self.warning, self.logged = Signal(), Signal(), Signal()
        self.finished, self.failed, self.cancelled = Signal(), Signal(), Signal()
        self._makeProcess = makeProcess
        self._process = None
        self._scratch = None  # of the running job
        self._jobs = 0  # that were started

    @property
    def running(self):
        return self._scratch is not None

    def start(self, arguments, scratch):
        """Run `regexplain` with `arguments` in the folder `scratch`, which the job owns from now on."""
        if self.running:
            raise RuntimeError("A job is running already.")
        self._scratch = scratch
        self._jobs += 1
        self._result, self._error, self._cancelling = None, "", False
        self.logged.emit("regexplain " + " ".join(arguments))
        process = self._process or self._startedProcess(scratch.parent)
        process.send([*arguments, "--progress", "json"])

    def cancel(self):
        """End the worker and its children within two seconds; `cancelled` follows."""
        if self.running and not self._cancelling:
            self._cancelling = True
            self._process.stop()

    def releaseWorker(self):
        """The memory of a worker without a job."""
        if self._process is not None and not self.running:
            process, self._process = self._process, None
            process.stop()

    def shutDown(self):
        """As `cancel` and `releaseWorker`, but everything has ended on return."""
        if self._process is not None:
            self._cancelling = True
            self._process.kill()

    def _startedProcess(self, folder):
        process = self._process = self._makeProcess()
        process.outputLine.connect(lambda line: self._onOutput(process, line))
        process.errorLine.connect(self.logged.emit)
        process.ended.connect(lambda code: self._onEnded(process, code))
        process.start(folder)
        return process

    def _onOutput(self, process, line):
        event = parsedEvent(line)
        if event is None:  # a library printed something
            if line:
                self.logged.emit(line)
            return
        name, values = event
        {
            "started": process.setGroupId,
            "progress": self.progress.emit,
            "warning": self.warning.emit,
            "finished": self._keepResult,
            "error": self._keepError,
            "ended": self._onJobEnded,
        }[name](*values)

    def _keepResult(self, path):
        self._result = path

    def _keepError(self, sentence):
        self._error = sentence

    def _onJobEnded(self, exitCode):
        if self.running and not self._cancelling:  # a cancelled job ends with its process
            jobs = self._jobs
            qt.QTimer.singleShot(IDLE_MS, lambda: self.releaseWorker() if self._jobs == jobs else None)
            self._concludeWith(exitCode)

    def _onEnded(self, process, exitCode):
        if process is self._process:  # not one that was given back
            self._process = None
            if self.running:
                self._concludeWith(exitCode)

    def _concludeWith(self, exitCode):
        if self._cancelling:
            self._conclude(self.cancelled)
        elif self._error:
            self._conclude(self.failed, self._error)
        elif self._result is not None:  # whatever a library does on the way out
            self._conclude(self.finished, self._result)
        else:
            self._conclude(self.failed, exitReason(exitCode))

    def _conclude(self, signal, *values):
        scratch, self._scratch = self._scratch, None
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


def exitReason(exitCode):
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
