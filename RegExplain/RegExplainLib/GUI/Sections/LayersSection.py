import qt
from slicer.i18n import tr as _

from regexplain.cards.heatmap_names import heatmap_name

from ...MRML.Layers import DisplacementLayer, GlyphLayer, InverseConsistencyLayer, JacobianLayer, MapLayer
from ...MRML.StagesLayout import StagesLayout
from ..Jobs.BackgroundTask import BackgroundTask
from ..Jobs.StepRunner import StepRunner, stepsWhile
from .Choices import Choices
from .LayerVisibility import setLayerVisible, signalsBlocked, updateCheckBox
from .SectionBody import SectionBody

ALL_SEGMENTS = 0  # no label of a segment
MAX_STAGES = 4  # side by side: more would be too small to read
FIRST_STAGES = ("encoder-fixed", "encoder-moving", "transformation-forward", "transformation-backward", "decoder")


class LayersSection:
    """How the displacement is drawn, and maps of growth and of the there-and-back error. All is kept in the nodes."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "layers")
        self._forms = Choices(ui.formSelector, lambda form: self._set("setForm", form))
        self._directions = Choices(ui.towardsSelector, lambda scan: self._set("setTowards", scan))
        self._segments = Choices(ui.glyphSegmentSelector, lambda label: self._set("setSegment", label or None))
        self._sliders = {"spacing": ui.spacingSlider, "scale": ui.scaleSlider, "threshold": ui.glyphThresholdSlider}
        for name, slider in self._sliders.items():
            slider.connect("valueChanged(double)", self._setter(name))
        self._boxes = {
            ui.showArrowsCheckBox: self._arrows,
            ui.showDisplacementCheckBox: self._displacement,
            ui.showJacobianCheckBox: lambda: self._map(JacobianLayer),
            ui.showInverseConsistencyCheckBox: lambda: self._map(InverseConsistencyLayer),
        }
        self._preparing = {isMap: BackgroundTask() for isMap in (True, False)}
        self._comparing = StepRunner()
        for box, layer in self._boxes.items():
            box.connect("toggled(bool)", self._visibilitySetter(layer))
        ui.showStagesCheckBox.connect("toggled(bool)", self._toggleStagesLayout)
        session.changed.connect(self.update)

    def update(self):
        if self._session.result is None:
            for making in self._preparing.values():
                making.forget()
            self._comparing.cancel()
        self._page.show(self._disabledReason())
        self._updateStagesCheckBox()
        for box, layer in self._boxes.items():
            updateCheckBox(box, layer())
        arrows = self._arrows()
        added = arrows is not None and arrows.added
        self._forms.show(forms(), arrows.form if added else "arrows")
        towards = arrows.towards if added else "moving"
        self._directions.show(directions(), towards)
        self._segments.show(
            {ALL_SEGMENTS: _("Everywhere"), **self._session.selection.segmentNames()},
            (arrows.segment if added else None) or ALL_SEGMENTS,
        )
        self._ui.towardsWordsLabel.text = directionText(towards)
        for control in (self._ui.formSelector, self._ui.towardsSelector, self._ui.glyphSegmentSelector):
            control.enabled = added
        for name, slider in self._sliders.items():
            self._showSlider(slider, getattr(arrows, name) if added else None)

    def _disabledReason(self):
        result = self._session.result
        if result is None:
            return _("Register two volumes first.")
        return "" if result.deformation is not None else _("This result is affine: there is no displacement to draw.")

    def _showSlider(self, slider, value):
        slider.enabled = value is not None
        if value is not None:
            with signalsBlocked(slider):
                slider.maximum = max(slider.maximum, value)
                slider.value = value

    def _arrows(self):
        result = self._session.result
        return GlyphLayer(result) if result is not None and result.deformation is not None else None

    def _displacement(self):
        """Made of the nodes alone."""
        result = self._session.result
        return DisplacementLayer(result) if result is not None and result.deformation is not None else None

    def _map(self, kind):
        """A layer that is there, or can be made of the result folder; None otherwise."""
        result = self._session.result
        if result is None or result.deformation is None:
            return None
        layer = kind(result)
        return layer if layer.added or result.folder is not None else None

    def _stagesLayout(self):
        """The layout of the heatmaps that were computed; None where there are not two, or their files are gone."""
        result = self._session.result
        names = [heatmap_name(entry) for entry in result.record["heatmaps"]] if result is not None else []
        names.sort(key=lambda name: FIRST_STAGES.index(name) if name in FIRST_STAGES else len(FIRST_STAGES))
        layout = StagesLayout(result, names[:MAX_STAGES]) if len(names) > 1 else None
        return layout if layout and (result.folder or all(layer.added for layer in layout.layers.values())) else None

    def _updateStagesCheckBox(self):
        box, layout = self._ui.showStagesCheckBox, self._stagesLayout()
        with signalsBlocked(box):
            box.enabled = layout is not None
            box.checked = layout is not None and (layout.shown or self._comparing.running)

    def _toggleStagesLayout(self, shown):
        layout = self._stagesLayout()
        self._comparing.cancel()
        if shown:
            steps = stepsWhile(lambda: self._isOnShow(layout), layout.showInSteps())
            self._comparing.run(steps, lambda _prepared: self._fit(layout), self._fail)
        else:
            with self._session.messages.guard():
                layout.hide()
        self._session.changed.emit()

    def _fit(self, layout):
        qt.QTimer.singleShot(0, layout.fit)  # views that are new have no size before
        self._session.changed.emit()

    def _isOnShow(self, what):
        """Whether a layer, or a layout, is of the registration on show."""
        result = self._session.result
        return result is not None and result.id == what.resultNodes.id

    def _set(self, setter, value):
        layer = self._arrows()
        if layer is not None and layer.added:
            with self._session.messages.guard():
                getattr(layer, setter)(value)
        self._session.changed.emit()

    def _setter(self, name):
        return lambda value: self._set(f"set{name.capitalize()}", value)

    def _visibilitySetter(self, layer):
        return lambda shown: self._setVisible(layer(), shown)

    def _setVisible(self, layer, shown):
        """What is not there yet is made in a thread first, unless another map is asked for meanwhile, or none."""
        making = self._preparing[isinstance(layer, MapLayer)]
        making.forget()
        if not shown or layer.added:
            setLayerVisible(self._session, layer, shown)
            return
        with self._session.messages.guard():
            making.run(layer.prepare(), lambda prepared: self._show(layer, prepared), self._fail)
            return
        self._session.changed.emit()

    def _show(self, layer, prepared):
        if self._isOnShow(layer):
            with self._session.messages.guard():
                layer.add(prepared)
        self._session.changed.emit()

    def _fail(self, error):
        with self._session.messages.guard():
            raise error
        self._session.changed.emit()


def forms():
    return {"arrows": _("Arrows"), "grid": _("Bent grid"), "contours": _("Contour lines of mm")}


def directions():
    return {"moving": _("From the fixed to the moving scan"), "fixed": _("From the moving to the fixed scan")}


def directionText(towards):
    """How to read the arrows, which people mix up."""
    if towards == "moving":
        return _("Arrows start in the fixed scan and point to where its tissue lies in the (aligned) moving scan.")
    return _(
        "Arrows start where the tissue lies in the (aligned) moving scan and point to where it lies in the fixed scan."
    )
