import shutil
import tempfile
from pathlib import Path

from slicer.i18n import tr as _

import slicer

from ..Disk import diskErrors
from .StepRunner import StepRunner

WITHOUT_NETWORK = ("explain-transform", "landmarks", "changes")  # verbs that know no device


class VerbJob:
    """Runs a verb of the command line as the running job: installs what it lacks, writes its inputs, starts the worker.

    The job ends with the worker, or, where `loading` then brings the result into the scene, after that; where
    `whenFinished` gives steps (StepRunner), after those.
    """

    def __init__(self, job, runner, installLogic, parameters, loading, messages):
        self._job, self._runner, self._installLogic = job, runner, installLogic
        self._parameters, self._loading, self._messages = parameters, loading, messages
        self._preparing, self._finishing, self._scratch = StepRunner(), StepRunner(), None
        self._whenFinished = None
        runner.finished.connect(self._onFinished)
        runner.failed.connect(self._onFailed)
        runner.cancelled.connect(job.cancelled)

    @property
    def running(self):
        return self._preparing.running or self._runner.running

    def start(self, name, prepare, whenFinished):
        """As Session.startJob."""
        if self._job.name:
            self._job.showStatus(_("Another computation is running; wait for its end, or cancel it first."))
            return
        self._whenFinished = whenFinished
        self._job.begin(name)
        with self._messages.guard():
            if self._installLogic.ensure():
                self._prepare(prepare)
        if self.running:
            self._job.changed.emit()
        else:
            self._job.end()

    def cancel(self):
        if self._runner.running:
            self._runner.cancel()
            return
        self._preparing.cancel()
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._job.cancelled()

    def shutDown(self):
        """Go no further with what a worker has finished."""
        self._finishing.cancel()

    def _prepare(self, prepare):
        self._job.startedFrom = self._parameters.node
        with diskErrors(slicer.app.temporaryPath):
            self._scratch = Path(tempfile.mkdtemp(prefix="RegExplain-job-", dir=slicer.app.temporaryPath))
        self._preparing.run(prepare(self._scratch), self._startRunner, self._onNotPrepared)

    def _startRunner(self, arguments):
        try:
            self._runner.start(arguments + self._deviceOptions(arguments[0]), self._scratch)
        except Exception as error:
            self._onNotPrepared(error)

    def _onNotPrepared(self, error):
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._job.end()
        with self._messages.guard(), diskErrors(self._scratch):
            raise error

    def _deviceOptions(self, verb):
        return ["--device", "cpu"] if self._job.startedFrom.processorOnly and verb not in WITHOUT_NETWORK else []

    def _onFinished(self, path):
        steps = None
        with self._messages.guard(), diskErrors(slicer.app.temporaryPath):
            steps = self._whenFinished(path)
        if steps is not None:
            self._finishing.run(steps, lambda _nothing: self._job.end(), self._onNotFinished)
        elif not self._loading.running:
            self._job.end()

    def _onNotFinished(self, error):
        with self._messages.guard():
            raise error
        self._job.end()

    def _onFailed(self, sentence):
        self._job.end(_("Stopped. Nothing in your scene was changed."))
        self._messages.error(sentence)
