import vtk
from slicer.i18n import tr as _

from ...MRML.Layers import AnimationLayer
from .Choices import Choices
from .JobButton import JobButton


class AnimateSection:
    """Play what one component of the network's latent space does to the fixed segmentation."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._button = JobButton(ui.animateButton, session, "animate", self._onButton)
        self._component = Choices(ui.componentSelector, self._onComponentPicked)
        self._browser = self._browserTag = None
        self._listToolTip = ui.componentSelector.toolTip
        ui.strengthSlider.connect("valueChanged(double)", self._onStrengthMoved)
        session.changed.connect(self.update)

    def update(self):
        parameters, components = self._session.parameterNode, self._components()
        if parameters is not None:
            none = _("(not computed yet)") if self._hasMotions() else _("(this model has none)")
            self._component.show(components or {0: none}, parameters.component)
        self._ui.componentSelector.enabled = bool(components)
        self._ui.componentSelector.toolTip = self._words(self._component.value) or self._listToolTip
        layer = self._layer(self._component.value)
        added = layer is not None and layer.added
        self._follow(layer.browser if added else None)
        self._ui.strengthSlider.enabled = added
        text = _("Pause") if isPlaying(layer) else _("Play") if components else ""
        self._button.update("" if added else self._whyNot(), text)

    def _hasMotions(self):
        """Whether the model that made the registration on show has components; taken for granted where unknown."""
        card = self._session.card
        return card is None or card.has_components

    def _whyNot(self):
        result = self._session.result
        if not self._hasMotions():
            return _(
                "The model of this registration has no latent components, so there are no motions to play; explain its "
                "stages instead."
            )
        if result is not None and result.record["kind"] == "deformable" and result.fixedSegmentation is None:
            return _("An animation moves the fixed segmentation; register with a segmentation of the fixed volume.")
        return self._session.whyNotExtended()

    def _items(self):
        """The record of each component that was computed."""
        components = self._session.result.record["components"] if self._session.result is not None else None
        return components["items"] if components else []

    def _components(self):
        """Title by component."""
        return {item["index"]: titleOf(item) for item in self._items()}

    def _words(self, component):
        """What a component does, and why the gold outline goes the other way; None in results without names."""
        words = next((item.get("words") for item in self._items() if item["index"] == component), None)
        outline = _("The gold outline is the moving tissue brought back to the fixed volume, so it goes the other way.")
        return words and f"<p>{words} {outline}</p>"  # rich text, as Qt wraps only that

    def _layer(self, component):
        """The layer of a component, None where it was not computed."""
        return AnimationLayer(self._session.result, component) if component in self._components() else None

    def _onButton(self):
        layer = self._layer(self._component.value)
        if layer is None:
            self._session.extendResult("animate", "components", [], self._onComputed)
        else:
            self._play(not isPlaying(layer))

    def _onComputed(self):
        self.update()
        self._play(True)
        text = _("Red: the fixed segmentation as it is. Gold: moved by the component, from weak to strong and back.")
        self._session.said.emit(text, [])

    def _play(self, playing):
        with self._session.messages.guard():
            layer = self._layer(self._component.value).add()
            strengths = layer.strengths
            self._ui.strengthSlider.minimum, self._ui.strengthSlider.maximum = min(strengths), max(strengths)
            layer.setPlaying(playing)
        self._session.changed.emit()

    def _onComponentPicked(self, component):
        """Go on with the other component as it was with this one: shown or not, playing or not."""
        before = self._layer(self._session.parameterNode.component)
        wasShown, wasPlaying = before is not None and before.added, isPlaying(before)
        if wasPlaying:
            before.setPlaying(False)
        self._session.parameterNode.component = component
        if wasShown:
            self._play(wasPlaying)

    def _onStrengthMoved(self, strength):
        layer = self._layer(self._component.value)
        if layer is not None and layer.added:
            self._session.parameterNode.strength = strength
            layer.setPlaying(False)
            layer.setStrength(strength)
            self._session.changed.emit()

    def _follow(self, browser):
        """Let the slider go with the frames of this sequence browser; None to stop."""
        if browser is self._browser:
            return
        if self._browser is not None:
            self._browser.RemoveObserver(self._browserTag)
        self._browser = browser
        if browser is not None:
            self._browserTag = browser.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onFrame)

    def _onFrame(self, caller, event):
        layer = self._layer(self._component.value)
        if isPlaying(layer):
            wasBlocked = self._ui.strengthSlider.blockSignals(True)
            self._ui.strengthSlider.value = layer.strengths[caller.GetSelectedItemNumber()]
            self._ui.strengthSlider.blockSignals(wasBlocked)


def isPlaying(layer):
    return layer is not None and layer.added and bool(layer.browser.GetPlaybackActive())


def titleOf(item):
    """A component in a few words: its number, what it does, its share of the training cases' variation.

    Results from before components had names tell how far it moves tissue instead.
    """
    does = item.get("name") or _("{mm:.1f} mm per SD").format(mm=item["mean_mm_per_sd"])
    return _("{index}: {does} ({share:.0f} % of variation)").format(
        index=item["index"], does=does, share=100 * item["explained_variance"]
    )
