from html import escape

import vtk
from slicer.i18n import tr as _

from .Choices import Choices
from .JobButton import JobButton
from .LayerVisibility import signalsBlocked
from .Motions import Motions
from .SectionBody import SectionBody


class MotionsSection:
    """Play a motion on the fixed segmentation: the whole registration, one of its parts, or a component's."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "motions")
        self._components = JobButton(ui.componentsButton, session, "animate", self._findComponents)
        self._choices = Choices(ui.componentSelector, self._onPicked)
        self._shown = ""  # the name of the motion on show
        self._browser = self._browserTag = None
        self._toolTips = {w: w.toolTip for w in (ui.componentSelector, ui.animateButton)}
        ui.strengthSlider.connect("valueChanged(double)", self._onStrengthMoved)
        ui.animateButton.connect("clicked()", self._onPlay)
        ui.warpImageCheckBox.connect("toggled(bool)", self._onWarpImage)
        session.changed.connect(self.update)

    @property
    def _motions(self):
        return Motions(self._session.result)

    @property
    def _layer(self):
        """The animation layer of the chosen motion, None where there is none."""
        return self._motions.layer(self._choices.value) if self._choices.value else None

    def update(self):
        parameters, motions, ui = self._session.parameterNode, self._motions, self._ui
        titles = motions.titles()
        self._page.show(self._disabledReason(titles))
        if parameters is not None:
            self._choices.show(titles or {"": self._none()}, parameters.motion)
        self._shown = self._choices.value
        layer = self._layer
        added = layer is not None and layer.added
        self._follow(layer.browser if added else None)
        ui.componentSelector.enabled = bool(titles)
        words = motions.description(self._choices.value) if titles else ""
        ui.componentSelector.toolTip = richText(words) or self._toolTips[ui.componentSelector]
        ui.strengthSlider.enabled = ui.warpImageCheckBox.enabled = added
        ui.animateButton.enabled = layer is not None
        ui.animateButton.text = _("Pause") if isPlaying(layer) else _("Play")
        ui.animateButton.toolTip = self._reasonNotPlayable(layer) or self._toolTips[ui.animateButton]
        self._components.update(self._reasonNoComponents())
        if added:
            self._showFrame(layer)
            if layer.amplitude != parameters.amplitude:
                layer.setAmplitude(parameters.amplitude)
            if layer.browser.GetPlaybackRateFps() != parameters.speed:
                layer.browser.SetPlaybackRateFps(parameters.speed)

    def _none(self):
        return _("(none yet)") if self._hasComponents() else _("(this model has none)")

    def _hasComponents(self):
        """Whether the model that made the registration on show has components; taken for granted where unknown."""
        card = self._session.selection.card
        return card is None or card.has_components

    def _disabledReason(self, titles):
        """Why there is nothing here to play, to find and to take apart."""
        extensible = self._hasComponents() and not self._session.selection.reasonNotExtendable()
        return "" if titles or extensible else self._reasonNotPlayable(None)

    def _reasonNotPlayable(self, layer):
        if layer is not None:
            return ""
        result = self._session.result
        if result is not None and result.fixedSegmentation is None:
            return _("An animation moves the fixed segmentation; register with a segmentation of the fixed volume.")
        if result is not None and result.record.get("transform"):
            return _("This transform is affine, so there is nothing to play.")
        return self._session.selection.reasonNotExtendable() or _("Find what the components do first.")

    def _reasonNoComponents(self):
        if not self._hasComponents():
            return _(
                "The model of this registration has no latent components; play the whole registration, and explain its "
                "stages instead."
            )
        result = self._session.result
        if result is not None and result.record["model"] is not None and result.fixedSegmentation is None:
            return _("An animation moves the fixed segmentation; register with a segmentation of the fixed volume.")
        return self._session.selection.reasonNotExtendable()

    def _findComponents(self):
        self._session.extendResult("animate", "components", [], self._onFound)

    def _onFound(self):
        self._session.parameterNode.motion = "component 1"
        self.update()
        self._play(True)
        text = _("Red: the fixed segmentation as it is. Gold: moved by the component, from weak to strong and back.")
        self._session.statusMessage.emit(text, [])

    def _onPlay(self):
        self._play(not isPlaying(self._layer))

    def _play(self, playing):
        with self._session.messages.guard():
            self._layer.add().setPlaying(playing)
        self._session.changed.emit()

    def _onPicked(self, name):
        """Go on with the other motion as it was with this one: shown or not, playing or not."""
        before = self._motions.layer(self._shown)
        wasShown, wasPlaying = before is not None and before.visible, isPlaying(before)
        if wasPlaying:
            before.setPlaying(False)
        self._session.parameterNode.motion = name
        if wasShown:
            self._play(wasPlaying)

    def _onStrengthMoved(self, strength):
        layer = self._layer
        if layer is not None and layer.added:
            self._session.parameterNode.strength = strength
            layer.setPlaying(False)
            layer.setStrength(strength)
            self._session.changed.emit()

    def _onWarpImage(self, shown):
        with self._session.messages.guard():
            self._layer.setImageShown(shown)

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
        layer = self._layer
        if isPlaying(layer):
            self._showFrame(layer)

    def _showFrame(self, layer):
        """The slider's range, unit and place, and the check box, as the layer has them."""
        slider, box, strengths = self._ui.strengthSlider, self._ui.warpImageCheckBox, layer.strengths
        with signalsBlocked(slider), signalsBlocked(box):
            slider.minimum, slider.maximum = float(min(strengths)), float(max(strengths))
            slider.suffix = f" {layer.unit}"
            slider.value = layer.strength
            box.checked = layer.imageShown


def isPlaying(layer):
    return layer is not None and layer.added and layer.playing


def richText(words):
    """As a tooltip: rich text, as Qt wraps only that. "" for ""."""
    outline = _("The gold outline moves as the arrows and the name say: from the fixed towards the moving scan.")
    return words and f"<p>{escape(words)} {outline}</p>"
