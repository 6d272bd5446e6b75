from slicer.i18n import tr as _

from ..Jobs.StepRunner import StepRunner, stepsWhile

MARK = "→ "


class TourSection:
    """A tour of the panel in five steps: each opens its section, marks it in view, and says what to do there."""

    def __init__(self, ui, session, opener, loadSamplePair):
        self._ui, self._session, self._opener = ui, session, opener
        self._step = 0
        self._titles = {}  # of the marked section, as it was
        ui.tourNextButton.connect("clicked()", lambda: self._go(1))
        ui.tourBackButton.connect("clicked()", lambda: self._go(-1))
        ui.samplePairButton.connect("clicked()", self._loadSamplePair)
        ui.tourCollapsibleButton.connect("contentsCollapsed(bool)", lambda collapsed: self._show())
        self._load, self._loading = loadSamplePair, StepRunner()
        self._show()

    def _go(self, by):
        self._step += by
        self._show()

    def _show(self):
        steps, open_ = self._steps(), not self._ui.tourCollapsibleButton.collapsed
        names, text = steps[self._step]
        self._ui.tourLabel.text = _("Step {number} of {count}. {text}").format(
            number=self._step + 1, count=len(steps), text=text
        )
        self._ui.tourBackButton.enabled = self._step > 0
        self._ui.tourNextButton.enabled = self._step < len(steps) - 1
        self._mark(names if open_ else ())

    def _mark(self, names):
        for button, title in self._titles.items():
            button.text = title
        buttons = [getattr(self._ui, f"{name}CollapsibleButton") for name in names]
        self._titles = {button: button.text for button in buttons}
        for button in buttons:
            button.text = MARK + button.text
        self._opener.open(names)

    def _steps(self):
        return [
            (
                ("inputs",),
                _(
                    "Choose the fixed scan, which stays, and the moving scan, which is registered to it. Segmentations "
                    "give numbers for each structure. To try it out, load the sample pair."
                ),
            ),
            (
                ("register", "result"),
                _("Press Register. Arrows then show what was moved; the table says how far, segment by segment."),
            ),
            (
                ("explain",),
                _(
                    "Choose a region and press Explain. Warm colours show which voxels made the network move the "
                    "region further, cool ones which held it back."
                ),
            ),
            (
                ("motions", "layers"),
                _("Play what was moved, as a whole or part by part; choose under Layers how it is drawn."),
            ),
            (
                ("trust", "report"),
                _("See under Trust what speaks against the result, and read or print all of it as a report."),
            ),
        ]

    def _loadSamplePair(self):
        parameters = self._session.parameterNode
        if parameters is not None and not self._loading.running:
            self._loading.run(
                stepsWhile(lambda: self._isThere(parameters), self._load(parameters)), self._end, self._fail
            )

    def _isThere(self, parameters):
        """Else the scene was closed, or the module."""
        return self._session.parameterNode is not None and parameters.parameterNode.GetScene() is not None

    def _end(self, _loaded):
        if self._session.parameterNode is not None:
            self._session.statusMessage.emit(_("The sample pair is loaded and chosen; press Register."), [])

    def _fail(self, error):
        with self._session.messages.guard():
            raise error
