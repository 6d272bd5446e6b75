import json
import shutil
import tempfile
import uuid
from pathlib import Path

import vtk
from slicer.i18n import tr as _

import slicer
from regexplain import registry
from regexplain.errors import BadInputError
from regexplain.results import ResultFolder

from ..MRML.ResultNodes import ResultNodes
from ..Signal import Signal


class Session:
    """What the panel's sections share: the parameters, the one running job, the registration on show. No widgets.

    `changed` tells that any of these did; `said(text, warnings)` is for the status line.
    """

    def __init__(self, runner, installLogic, messages):
        self.runner, self.messages = runner, messages
        self._installLogic = installLogic
        self.changed, self.said = Signal(), Signal()
        self.parameterNode = None
        self._observerTag = None
        self.job = ""
        self._whenFinished = None
        self._result = None
        self._folders = {}  # by result id; a scene never keeps a path
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

    # The registration on show

    @property
    def result(self):
        """The registration on show (ResultNodes), None where there is none any more."""
        if self._result is not None and self._result.node("record") is None:
            self._result = None
        return self._result

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
            self._findResult()

    def addResult(self, path, segmentNames):
        """Keep a finished result folder and show it, its segments named (label: name) as the user's were."""
        folder = Path(slicer.app.temporaryPath, f"RegExplain-{uuid.uuid4().hex[:8]}")
        shutil.move(path, folder)
        try:
            result = ResultNodes.load(folder, slicer.mrmlScene)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        for segmentation in (result.fixedSegmentation, result.movingSegmentation, result.warpedSegmentation):
            for label, segment in segmentsByLabel(segmentation).items():
                segment.SetName(segmentNames.get(label, segment.GetName()))
        if self.result is not None:
            hide(self.result)
        self._folders[result.id] = folder
        self._result = result
        return result

    def segmentNames(self):
        """Name by label of the segments of the fixed segmentation on show."""
        segmentation = self.result.fixedSegmentation if self.result is not None else None
        return {label: segment.GetName() for label, segment in segmentsByLabel(segmentation).items()}

    def whyNotExtended(self):
        """Why no worker can add to the registration on show, in a sentence; "" where one can."""
        if self.result is None:
            return _("Register two volumes first.")
        if self.result.record["kind"] == "affine":
            return _("No model fitted these scans, so no network moved anything that could be explained.")
        if self.result.folder is None:
            return _("The files of this registration are gone, as it was made earlier; register again.")
        return ""

    def _findResult(self):
        results = ResultNodes.find(slicer.mrmlScene) if self.parameterNode is not None else []
        self._result = results[-1] if results else None
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
        """Run a verb; nothing happens while a job runs or where the user declines to install what it needs.

        `prepare(scratch folder)` writes the inputs there and returns the verb's arguments. `whenFinished(result path)`
        follows where the job succeeds.
        """
        if self.job:
            return
        self.job, self._whenFinished = name, whenFinished
        with self.messages.guard():
            if self._installLogic.ensure():
                self._startRunner(prepare)
        if not self.runner.running:
            self.job = ""
        self.changed.emit()

    def extendResult(self, name, verb, options, whenExtended):
        """Let a verb add to the registration on show; `whenExtended()` follows unless that was removed meanwhile."""
        result = self.result

        def whenFinished(path):
            if self.result is not None and self.result.id == result.id:
                self._result.folder = ResultFolder.open(path)
                self._result.node("record").SetText(json.dumps(self._result.folder.record))
                whenExtended()

        self.startJob(name, lambda scratch: [verb, str(result.folder.path), *options], whenFinished)

    def _startRunner(self, prepare):
        scratch = Path(tempfile.mkdtemp(prefix="RegExplain-job-", dir=slicer.app.temporaryPath))
        try:
            self.runner.start(prepare(scratch), scratch)
        except Exception:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def _onFinished(self, path):
        with self.messages.guard():
            self._whenFinished(path)
        self._endJob()

    def _onFailed(self, sentence):
        self.said.emit(_("Stopped. Nothing in your scene was changed."), [])
        self._endJob()
        self.messages.error(sentence)

    def _onCancelled(self):
        self.said.emit(_("Cancelled. Nothing in your scene was changed."), [])
        self._endJob()

    def _endJob(self):
        self.job = ""
        self.changed.emit()


def hide(result):
    """Take an earlier registration's layers and outlines out of the views, lest they be taken for the new one's."""
    for layer in result.layers():
        layer.hide()
    for segmentation in (result.fixedSegmentation, result.movingSegmentation, result.warpedSegmentation):
        if segmentation is not None:
            segmentation.SetDisplayVisibility(False)


def segmentsByLabel(segmentationNode):
    """The segments of a result's segmentation; ResultNodes puts the label into the id ("Segment_3"). {} for None."""
    if segmentationNode is None:
        return {}
    segmentation = segmentationNode.GetSegmentation()
    return {int(i.rpartition("_")[2]): segmentation.GetSegment(i) for i in segmentation.GetSegmentIDs()}
