import json
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path

import qt
import vtk
from slicer.i18n import tr as _

import slicer
from regexplain.cards import registry
from regexplain.errors import BadInputError, RegExplainError
from regexplain.results import ResultFolder
from regexplain.results.folder import RECORD

from ..MRML.OtherOutlines import showOtherOutlines
from ..MRML.ResultNodes import ResultNodes
from ..MRML.Segments import segmentsByLabel
from ..Signal import Signal
from .Disk import copyWhole, diskErrors, freeName
from .Jobs.BackgroundReading import BackgroundReading
from .Jobs.InSteps import InSteps
from .Jobs.ResultLoading import ResultLoading

WITHOUT_NETWORK = ("explain-transform",)  # verbs that know no device


class Session:
    """What the panel's sections share: the parameters, the one running job, the registration on show. No widgets.

    `changed` tells that any of these did, `added` that a registration ended and is on show; `said(text, warnings)` is
    for the status line.
    """

    def __init__(self, runner, installLogic, messages):
        self.runner, self.messages = runner, messages
        self._installLogic = installLogic
        self._background = BackgroundReading()
        self._preparing, self._scratch = InSteps(), None
        self._loading, self._loadingFolder = ResultLoading(), None
        self._video = None  # that is being saved
        self.changed, self.said, self.added = Signal(), Signal(), Signal()
        self.parameterNode = None
        self._observerTag = None
        self.job = ""
        self._whenFinished = None
        self._startedFrom = None  # the parameters of the running job
        self._result = None
        self._folders = {}  # by result id; a scene never keeps a path
        self._layers = {}  # by result id, those that were seen when it left the views
        self._cards = {}  # by checksum
        runner.finished.connect(self._onFinished)
        runner.failed.connect(self._onFailed)
        runner.cancelled.connect(self._onCancelled)

    def setParameterNode(self, parameterNode):
        """The parameters to show from now on; None while there is no scene to work on."""
        if self.parameterNode is not None:
            self.parameterNode.RemoveObserver(self._observerTag)
        self.parameterNode = parameterNode
        if parameterNode is not None:
            self._observerTag = parameterNode.AddObserver(
                vtk.vtkCommand.ModifiedEvent, lambda caller, event: self.changed.emit()
            )
        self._findResult()

    def shutDown(self):
        """No worker, no reading and none of this session's files stays."""
        if self._video is not None:
            self._video.shutDown()
        self.cancel()
        self._background.forget()
        self.runner.shutDown()
        self.job = ""
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    # The registration on show

    @property
    def result(self):
        """The registration on show (ResultNodes), None where there is none any more."""
        if self._result is not None and self._result.node("record") is None:
            self._result = None
        return self._result

    @property
    def results(self):
        """Every registration of the scene, oldest first, but one that is being loaded."""
        found = ResultNodes.find(slicer.mrmlScene) if self.parameterNode is not None else []
        loading = self._loading.result
        return [result for result in found if loading is None or result.id != loading.id]

    @property
    def card(self):
        """The card of the model that made the registration on show; None where that very model is not installed."""
        model = self.result.record["model"] if self.result is not None else None
        if model is None:
            return None
        digest = model["sha256"]
        if digest not in self._cards:
            with self.messages.guard():
                self._cards[digest] = registry.by_checksum(digest)
        return self._cards.setdefault(digest, None)

    def noticeRemovedNodes(self):
        """If the registration on show was removed from the scene, show another."""
        if self._result is not None and self.result is None:
            showOtherOutlines(slicer.mrmlScene)
            self._findResult()

    def choose(self, resultId):
        """Show another registration of the scene."""
        with self.viewsFollow():
            self.parameterNode.result = resultId
            self._findResult()

    @contextmanager
    def viewsFollow(self):
        """Let the views go from the registration on show to the one that is on show afterwards."""
        before = self.result
        yield
        if before is not None and self.result is not None and before.id == self.result.id:
            return
        if before is not None:
            self._leave(before)
        if self.result is not None:
            self._return(self.result)
            self.changed.emit()

    def _leave(self, result):
        """Take a registration out of the views, lest it be taken for the one on show."""
        self._layers[result.id] = [layer for layer in result.layers() if layer.visible]
        result.leaveViews()

    def _return(self, result, fitted=True):
        """The same in the other direction."""
        result.enterViews(fitted)
        for layer in self._layers.pop(result.id, []):
            if layer.added:
                layer.show()

    def addResult(self, path, segmentNames, whenAdded):
        """Keep a finished result folder and show it, its segments named (label: name) as the user's were.

        It is loaded in the background; `whenAdded(result)` follows. Where the user went to another parameter set
        meanwhile, it is kept with its own and leaves the views as they were.
        """
        if not Path(path, RECORD).is_file():
            raise RegExplainError(unreadable())
        folder = Path(slicer.app.temporaryPath, f"RegExplain-{uuid.uuid4().hex[:8]}")
        shutil.move(path, folder)
        self.runner.progress.emit(_("Loading"), 0, 0)

        def show(result):
            with self.messages.guard():
                self._folders[result.id] = folder
                nameSegments(result, segmentNames)
                if self._startedHere():
                    self._show(result)
            qt.QTimer.singleShot(0, lambda: complete(result))  # either takes a while of its own

        def complete(result):
            if not self.job:  # shut down meanwhile
                return
            with self.messages.guard():
                if result.node("record") is not None:  # else the scene was closed
                    whenAdded(result)
                    if not self._startedHere():
                        self._putAside(result)
            self._endJob()
            if self.result is not None and self.result.id == result.id:
                self.added.emit()

        def fail(error):
            shutil.rmtree(folder, ignore_errors=True)
            with self.messages.guard():
                raise RegExplainError(unreadable()) if isinstance(error, RuntimeError) else error  # SimpleITK's
            self._endJob()

        self._loadingFolder = folder
        self._loading.run(folder, show, fail)

    def _show(self, result):
        if self.result is not None:
            self._leave(self.result)
        self._result = result
        result.enterViews()
        self.parameterNode.result = result.id

    def _putAside(self, result):
        self._startedFrom.result = result.id
        if self.result is None:
            self._findResult()
            return
        self._leave(self.result)
        self._leave(result)
        self._return(self.result, fitted=False)
        text = _("Finished. The result belongs to the parameter set {name}; choose that to see it.")
        self.said.emit(text.format(name=self._startedFrom.parameterNode.GetName()), [])

    def segmentNames(self):
        """Name by label of the segments of the fixed segmentation on show."""
        segmentation = self.result.fixedSegmentation if self.result is not None else None
        return {label: segment.GetName() for label, segment in segmentsByLabel(segmentation).items()}

    def whyNotExtended(self):
        """Why no network can add to the registration on show, in a sentence; "" where one can."""
        if self.result is None:
            return _("Register two volumes first.")
        if self.result.record.get("transform"):
            return _("This transform was made elsewhere, so there is no network to explain.")
        if self.result.record["kind"] == "affine":
            return _("No model fitted these scans, so no network moved anything that could be explained.")
        return self.whyNoFiles()

    def whyNoFiles(self):
        """Why the result folder on show cannot be read, in a sentence; "" where it can."""
        if self.result is None:
            return _("Register two volumes first.")
        if self.result.folder is None:
            return _("The files of this registration are gone, as it was made earlier; register again.")
        return ""

    def _findResult(self):
        results = self.results
        wanted = self.parameterNode.result if self.parameterNode is not None else ""
        self._result = next((r for r in results if r.id == wanted), results[-1] if results else None)
        if self._result is not None:
            self._result.folder = self._folderOf(self._result)
        self.changed.emit()

    def _folderOf(self, result):
        try:
            return ResultFolder.open(self._folders[result.id])
        except (KeyError, BadInputError):
            return None

    # The running job

    def startJob(self, name, prepare, whenFinished):
        """Run a verb; refused in words while a job runs; nothing happens where the user declines to install.

        `prepare(scratch folder)` gives the steps (InSteps) that write the inputs there and end in the verb's arguments.
        `whenFinished(result path)` follows where the job succeeds.
        """
        if self.job:
            self.said.emit(_("Another computation is running; wait for its end, or cancel it first."), [])
            return
        self.job, self._whenFinished = name, whenFinished
        self.changed.emit()
        with self.messages.guard():
            if self._installLogic.ensure():
                self._prepare(prepare)
        if not self._preparing.running and not self.runner.running:
            self.job = ""
        self.changed.emit()

    def extendResult(self, name, verb, options, whenExtended):
        """Let a verb add to the registration on show; `whenExtended()` follows where that is still on show then."""
        result = self.result

        def whenFinished(path):
            if result.node("record") is None:
                return
            result.folder = ResultFolder.open(path)
            result.node("record").SetText(json.dumps(result.folder.record))
            if self._startedHere() and self.result is not None and self.result.id == result.id:
                self._result = result
                whenExtended()
            else:
                self.said.emit(_("Finished, but for another registration or parameter set than that on show."), [])

        def arguments(scratch):
            yield from ()  # there is nothing to write
            return [verb, str(result.folder.path), *options]

        self.startJob(name, arguments, whenFinished)

    def copyFolder(self, target):
        """Copy the files of the registration on show, in the background, into a new folder under `target`."""
        source, copy = self.result.folder.path, freeName(Path(target), _("RegExplain result"))

        self._save("save", copy, lambda done, fail: self._background.run(lambda: copyWhole(source, copy), done, fail))

    def saveVideo(self, video):
        """Save a motion: let a MotionVideo take its pictures and write its file."""
        self._video = video
        self._save("video", video.path, video.run)

    def cancel(self):
        """End the running job; scene and disk stay as they were."""
        if self.runner.running:
            self.runner.cancel()
        elif self._preparing.running:
            self._preparing.cancel()
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._onCancelled()
        elif self._loading.running:  # what is being saved needs no scene, and goes on
            self._loading.cancel()
            shutil.rmtree(self._loadingFolder, ignore_errors=True)
            self._onCancelled()
        elif self._video is not None:
            self._video.cancel()
            self._onCancelled()

    def _save(self, job, path, run):
        """Let `run(whenDone, whenFailed)` write `path`, as the running job."""

        def done(nothing):
            self.said.emit(_("Saved as {name}.").format(name=path.name), [])
            self._endJob()

        def fail(error):
            self._endJob()
            with self.messages.guard(), diskErrors(path.parent):
                raise error

        self.job = job
        self.changed.emit()
        run(done, fail)

    def _startedHere(self):
        """Whether the running job is of the parameter set on show, or of one that was deleted meanwhile."""
        node = self._startedFrom.parameterNode
        return node is self.parameterNode.parameterNode or node.GetScene() is None

    def _prepare(self, prepare):
        self._startedFrom = self.parameterNode
        with diskErrors(slicer.app.temporaryPath):
            self._scratch = Path(tempfile.mkdtemp(prefix="RegExplain-job-", dir=slicer.app.temporaryPath))
        self._preparing.run(prepare(self._scratch), self._startRunner, self._onNotPrepared)

    def _startRunner(self, arguments):
        try:
            self.runner.start(arguments + self._deviceOptions(arguments[0]), self._scratch)
        except Exception as error:
            self._onNotPrepared(error)

    def _onNotPrepared(self, error):
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._endJob()
        with self.messages.guard(), diskErrors(self._scratch):
            raise error

    def _deviceOptions(self, verb):
        return ["--device", "cpu"] if self._startedFrom.processorOnly and verb not in WITHOUT_NETWORK else []

    def _onFinished(self, path):
        with self.messages.guard(), diskErrors(slicer.app.temporaryPath):
            self._whenFinished(path)
        if not self._loading.running:
            self._endJob()

    def _onFailed(self, sentence):
        self.said.emit(_("Stopped. Nothing in your scene was changed."), [])
        self._endJob()
        self.messages.error(sentence)

    def _onCancelled(self):
        self.said.emit(_("Cancelled. Nothing in your scene was changed."), [])
        self._endJob()

    def _endJob(self):
        self.job, self._video = "", None
        self._removeLeftovers()
        self.changed.emit()

    def _removeLeftovers(self):
        """What a worker that was ended by force had begun to write beside a result."""
        for folder in self._folders.values():
            for aside in folder.parent.glob(f".{folder.name}.*"):
                shutil.rmtree(aside, ignore_errors=True)


def nameSegments(result, names):
    """names: by label; others keep theirs."""
    for segmentation in (result.fixedSegmentation, result.movingSegmentation, result.warpedSegmentation):
        for label, segment in segmentsByLabel(segmentation).items():
            segment.SetName(names.get(label, segment.GetName()))


def unreadable():
    return _(
        "The computation ended, but its result cannot be read; see the log below, free memory and disk, then try again."
    )
