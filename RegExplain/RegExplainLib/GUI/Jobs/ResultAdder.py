import shutil
from pathlib import Path

from slicer.i18n import tr as _

from regexplain.errors import RegExplainError
from regexplain.results.folder import RECORD

from ...MRML.Segments import segmentsByLabel
from .StepRunner import StepRunner, stepsWhile


class ResultAdder:
    """Loads a job's result into the scene and shows it; then the job ends."""

    def __init__(self, job, loading, folders, selection, messages, progress, added):
        self._job, self._loading, self._folders = job, loading, folders
        self._selection, self._messages = selection, messages
        self._progress, self._added = progress, added
        self._folder = None  # that is being loaded
        self._showing = StepRunner()

    @property
    def running(self):
        return self._loading.running

    def run(self, path, segmentNames, whenAdded):
        """As Session.addResult."""
        if not Path(path, RECORD).is_file():
            raise RegExplainError(unreadable())
        self._folder = folder = self._folders.moveHere(path)
        self._progress.emit(_("Loading"), 0, 0)
        self._loading.run(
            folder,
            lambda result: self._show(result, folder, segmentNames, whenAdded),
            lambda error: self._fail(error, folder),
        )

    def cancel(self):
        self._loading.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._job.cancelled()

    def shutDown(self):
        """Stop showing it."""
        self._showing.cancel()

    def _show(self, result, folder, segmentNames, whenAdded):
        self._showing.run(
            self._showingSteps(result, folder, segmentNames, whenAdded),
            lambda _nothing: self._end(result),
            lambda error: self._end(result, error),
        )

    def _showingSteps(self, result, folder, segmentNames, whenAdded):
        def isThere():  # else the scene was closed
            return result.node("record") is not None

        self._folders.keep(result.id, folder)
        nameSegments(result, segmentNames)
        if self._job.startedFromShown:
            yield from self._selection.show(result)
        yield
        yield from stepsWhile(isThere, whenAdded(result))
        yield
        if isThere() and not self._job.startedFromShown:
            yield from self._hideNew(result)

    def _end(self, result, error=None):
        with self._messages.guard():
            if error is not None:
                raise error
        self._job.end()
        if self._selection.result is not None and self._selection.result.id == result.id:
            self._added.emit()

    def _hideNew(self, result):
        started = self._job.startedFrom
        started.result = result.id
        if (yield from self._selection.hideNew(result)):
            text = _("Finished. The result belongs to the parameter set {name}; choose that to see it.")
            self._job.showStatus(text.format(name=started.parameterNode.GetName()))

    def _fail(self, error, folder):
        shutil.rmtree(folder, ignore_errors=True)
        with self._messages.guard():
            raise RegExplainError(unreadable()) if isinstance(error, RuntimeError) else error  # SimpleITK's
        self._job.end()


def nameSegments(result, names):
    """names: by label; others keep theirs."""
    for segmentation in (result.fixedSegmentation, result.movingSegmentation, result.warpedSegmentation):
        for label, segment in segmentsByLabel(segmentation).items():
            segment.SetName(names.get(label, segment.GetName()))


def unreadable():
    return _(
        "The computation ended, but its result cannot be read; see the log below, free memory and disk, then try again."
    )
