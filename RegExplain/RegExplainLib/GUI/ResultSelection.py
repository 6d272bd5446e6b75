from contextlib import contextmanager

from slicer.i18n import tr as _

import slicer
from regexplain.cards import registry

from ..MRML.OtherOutlines import showOtherOutlines
from ..MRML.ResultNodes import ResultNodes
from ..MRML.Segments import segmentsByLabel
from .Jobs.StepRunner import StepRunner, stepsWhile
from .ResultViews import ResultViews


class ResultSelection:
    """The registration that the panel shows, of those in the scene; `changed` is emitted when it is another one."""

    def __init__(self, parameters, folders, loading, messages, changed):
        self._parameters, self._folders, self._loading = parameters, folders, loading
        self._messages, self._changed = messages, changed
        self._result = None
        self._views, self._entering = ResultViews(), StepRunner()
        self._cards = {}  # by checksum

    @property
    def result(self):
        """ResultNodes; None where there is none any more."""
        if self._result is not None and self._result.node("record") is None:
            self._result = None
        return self._result

    @property
    def all(self):
        """Every registration of the scene, oldest first, but one that is being loaded."""
        results = ResultNodes.find(slicer.mrmlScene) if self._parameters.node is not None else []
        loading = self._loading.result
        return [result for result in results if loading is None or result.id != loading.id]

    @property
    def card(self):
        """The card of the model that made the registration; None where that very model is not installed."""
        model = self.result.record["model"] if self.result is not None else None
        if model is None:
            return None
        digest = model["sha256"]
        if digest not in self._cards:
            with self._messages.guard():
                self._cards[digest] = registry.card_by_checksum(digest)
        return self._cards.setdefault(digest, None)

    def segmentNames(self):
        """Name by label of the segments of the fixed segmentation."""
        segmentation = self.result.fixedSegmentation if self.result is not None else None
        return {label: segment.GetName() for label, segment in segmentsByLabel(segmentation).items()}

    def find(self):
        """Show what the parameter set asks for, else the newest."""
        results = self.all
        selectedId = self._parameters.node.result if self._parameters.node is not None else ""
        self._result = next((r for r in results if r.id == selectedId), results[-1] if results else None)
        if self._result is not None:
            self._result.folder = self._folders.open(self._result.id)
        self._changed.emit()

    def choose(self, resultId):
        """Show another registration of the scene."""
        with self.updatingViews():
            self._parameters.node.result = resultId
            self.find()

    def updateAfterRemoval(self):
        """If the registration was removed from the scene, show another."""
        if self._result is not None and self.result is None:
            showOtherOutlines(slicer.mrmlScene)
            self.find()

    @contextmanager
    def updatingViews(self):
        """Switch the views to the registration that is shown after the block."""
        before = self.result
        yield
        if before is not None and self.result is not None and before.id == self.result.id:
            return
        self._entering.cancel()
        if before is not None:
            self._views.leave(before)
        if self.result is not None:
            self._entering.run(self._enteringSteps(self.result), lambda _entered: self._changed.emit(), self._fail)
            self._changed.emit()

    def _enteringSteps(self, result, fitted=True):
        return stepsWhile(lambda: self._isOnShow(result), self._views.enterInSteps(result, fitted))

    def _fail(self, error):
        with self._messages.guard():
            raise error

    def _isOnShow(self, result):
        return self.result is not None and self.result.id == result.id

    def show(self, result):
        """Steps (StepRunner) that show what has just been loaded; they end where it is no longer on show."""
        self._entering.cancel()
        if self.result is not None:
            self._views.leave(self.result)
        self._result = result
        self._parameters.node.result = result.id
        yield from stepsWhile(lambda: self._isOnShow(result), result.enterViewsInSteps())

    def shutDown(self):
        """Show no more of it."""
        self._entering.cancel()

    def replace(self, result):
        """Let new ResultNodes stand for the registration where it is the one on show; whether it is."""
        isShown = self._isOnShow(result)
        if isShown:
            self._result = result
        return isShown

    def hideNew(self, result):
        """Steps (StepRunner) that take what has just been loaded out of the views, for what was on show; give False
        where nothing was."""
        if self.result is None:
            self.find()
            return False
        self._entering.cancel()
        self._views.leave(self.result)
        self._views.leave(result)
        yield from self._enteringSteps(self.result, fitted=False)
        return True

    def reasonNotExtendable(self):
        """Why no network can add to the registration, in a sentence; "" where one can."""
        if self.result is None:
            return _("Register two volumes first.")
        if self.result.record.get("transform"):
            return _("This transform was made elsewhere, so there is no network to explain.")
        if model := self.result.record.get("not_kept"):
            text = _(
                "Only the alignment was kept: the scans were less alike after the bending by {model}. To see and "
                "explain that, choose {model} by its name under Model and register again."
            )
            return text.format(model=model)
        if self.result.record["kind"] == "affine":
            return _("No model fitted these scans, so no network moved anything that could be explained.")
        return self.reasonNoFiles()

    def reasonNoFiles(self):
        """Why the result folder cannot be read, in a sentence; "" where it can."""
        if self.result is None:
            return _("Register two volumes first.")
        if self.result.folder is None:
            return _("The files of this registration are gone, as it was made earlier; register again.")
        return ""
