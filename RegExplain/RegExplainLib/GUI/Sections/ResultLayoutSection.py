import qt

import slicer

from ...MRML.ResultLayout import ResultLayout
from ...MRML.ResultNodes import ResultNodes
from ..Jobs.StepRunner import StepRunner, stepsWhile
from .LayerVisibility import signalsBlocked

CHOICE = "RegExplain/resultLayout"  # in the user's settings; absent until offered
SHOWN, NOT_SHOWN = "shown", "not shown"


class ResultLayoutSection:
    """The layout that answers the first question: fixed scan, registered scan, how far moved, beside one another.

    It is offered with the first registration; later ones come as the user chose last.
    """

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._resultId = ""  # whose layout is on show
        self._showing, self._requestedId = StepRunner(), ""
        self._fitting = qt.QTimer(ui.resultLayoutCheckBox)
        self._fitting.setSingleShot(True)
        self._fitting.connect("timeout()", self._fit)
        ui.resultLayoutCheckBox.connect("toggled(bool)", self._onToggled)
        session.added.connect(self._onAdded)
        session.changed.connect(self.update)

    def update(self):
        if self._session.result is None:
            self._showing.cancel()
        self._follow()
        layout, box = self._layout, self._ui.resultLayoutCheckBox
        with signalsBlocked(box):
            box.enabled = layout is not None
            box.checked = layout is not None and (layout.shown or self._showing.running)
        offered = layout is not None and not slicer.app.userSettings().contains(CHOICE)
        self._ui.resultLayoutLabel.visible = offered

    @property
    def _layout(self):
        """That of the registration on show; None where nothing was bent, or Slicer runs without its main window."""
        result = self._session.result if slicer.app.layoutManager() is not None else None
        layout = ResultLayout(result) if result is not None else None
        return layout if layout is not None and layout.possible else None

    def _follow(self):
        """Let the layout go with the registration on show, and not outlive the last one."""
        if not self._resultId or (self._layout is not None and self._session.result.id == self._resultId):
            return
        if self._layout is not None and self._before.shown:
            self._show(self._layout)
            return
        before, self._resultId = self._before, ""
        if before.shown:
            before.hide()
        else:
            before.release()

    @property
    def _before(self):
        """The layout that was shown last."""
        return ResultLayout(ResultNodes(slicer.mrmlScene, self._resultId))

    def _onAdded(self):
        settings = slicer.app.userSettings()
        if self._layout is None:
            return
        if settings.value(CHOICE) == SHOWN:
            self._show(self._layout)
        elif len(self._session.results) > 1 and not settings.contains(CHOICE):
            self._choose(NOT_SHOWN)  # it was offered with the first one
        self._session.changed.emit()

    def _onToggled(self, shown):
        self._choose(SHOWN if shown else NOT_SHOWN)
        if shown:
            self._show(self._layout)
        else:
            self._showing.cancel()
            self._layout.hide()
        self._session.changed.emit()

    def _choose(self, choice):
        slicer.app.userSettings().setValue(CHOICE, choice)

    def _show(self, layout):
        def isOnShow():
            return self._session.result is not None and self._session.result.id == layout.resultNodes.id

        if self._showing.running and self._requestedId == layout.resultNodes.id:
            return
        self._showing.cancel()
        self._requestedId = layout.resultNodes.id
        self._showing.run(stepsWhile(isOnShow, layout.showInSteps()), lambda _prepared: self._end(layout), self._fail)

    def _end(self, layout):
        if layout.shown and layout.resultNodes.id == self._requestedId:
            if self._resultId not in ("", self._requestedId):
                self._before.release()
            self._resultId = layout.resultNodes.id
            self._fitting.start(0)  # views that are new have no size before
        self._session.changed.emit()

    def _fail(self, error):
        if self._resultId:
            self._before.hide()
            self._resultId = ""
        with self._session.messages.guard():
            raise error
        self._session.changed.emit()

    def _fit(self):
        if self._layout is not None:
            self._layout.fit()
