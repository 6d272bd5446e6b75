import qt
from slicer.i18n import tr as _

import slicer

from ...MRML.Comparison import Comparison
from ..Views import sliceViews
from .Choices import Choices
from .SectionBody import SectionBody

OFF = "off"


class CompareSection:
    """The fixed scan against the moving one in the slice views, until the section is left: folded, or the module."""

    def __init__(self, ui, session):
        self._ui, self._session = ui, session
        self._page = SectionBody(ui, "compare")
        self._comparison = self._layout = None
        self._modes = Choices(ui.compareModeSelector, lambda mode: self._choose())
        self._scans = Choices(ui.compareAgainstSelector, lambda scan: self._choose())
        self._modes.show(modes(), OFF)
        self._scans.show(scans(), "warpedMoving")
        self._renewing = qt.QTimer(ui.compareModeSelector)
        self._renewing.setSingleShot(True)
        self._renewing.connect("timeout()", self._renew)
        for slider in (ui.blendSlider, ui.fieldsSlider):
            slider.connect("valueChanged(double)", lambda value: self._draw())
        ui.flickerButton.connect("clicked()", self._flicker)
        ui.linkedCursorCheckBox.connect("toggled(bool)", self._link)
        ui.compareCollapsibleButton.connect("contentsCollapsed(bool)", lambda collapsed: collapsed and self.leave())
        session.left.connect(self.leave)
        session.changed.connect(self.update)

    def update(self):
        if self._comparison is not None and not self._isOf(self._session.result):
            self.leave()
        self._page.show(self._disabledReason())
        mode, ui = self._modes.value, self._ui
        for name in ("blend", "fields"):
            shown = mode == {"blend": "blend", "fields": "checkerboard"}[name]
            for widget in (getattr(ui, f"{name}Label"), getattr(ui, f"{name}Slider")):
                widget.visible = shown
        ui.flickerButton.visible = mode == "flicker"
        ui.flickerButton.enabled = ui.linkedCursorCheckBox.enabled = self._comparison is not None

    def leave(self):
        """The views show again what they showed before."""
        self._stop()
        self._modes.show(modes(), OFF)
        self._ui.compareLabel.text = ""
        self.update()

    def _disabledReason(self):
        if self._session.result is None:
            return _("Register two volumes first.")
        if slicer.app.layoutManager() is None:
            return _("Slicer runs without its main window, so there are no views to compare in.")
        return ""

    def _isOf(self, result):
        """Whether the registration on show is still the one that is compared."""
        return result is not None and result.id == self._comparison.resultNodes.id

    def _choose(self):
        if self._modes.value == OFF:
            self.leave()
            return
        if self._comparison is None:
            self._start()
        self._draw()
        self.update()

    def _draw(self):
        """As the controls say; what cannot be shown is said, and ends it."""
        if self._comparison is None:
            return
        comparison, ui = self._comparison, self._ui
        comparison.mode, comparison.against = self._modes.value, self._scans.value
        comparison.share, comparison.fields = ui.blendSlider.value / 100, int(ui.fieldsSlider.value)
        ui.compareLabel.text = modeTexts()[comparison.mode]
        shown = False
        with self._session.messages.guard():
            comparison.update()
            shown = True
        if not shown:
            self.leave()

    def _start(self):
        self._comparison = Comparison(self._session.result, sliceViews())
        self._comparison.onPoint = self._showPosition
        self._comparison.setLinked(self._ui.linkedCursorCheckBox.checked)
        node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        if node is not None:  # views that a new layout brings have their size a turn of the event loop later
            self._layout = node, node.AddObserver("ModifiedEvent", lambda *_: self._renewing.start(0))

    def _stop(self):
        self._renewing.stop()
        if self._layout is not None:
            node, tag = self._layout
            node.RemoveObserver(tag)
            self._layout = None
        if self._comparison is not None:
            self._comparison.close()
            self._comparison = None

    def _renew(self):
        """In the views of another layout."""
        if self._comparison is not None:
            self._stop()
            self._start()
            self._draw()

    def _flicker(self):
        if self._comparison is not None:
            self._comparison.flicker()

    def _link(self, linked):
        if self._comparison is not None:
            self._comparison.setLinked(linked)

    def _showPosition(self, fixed, moving):
        text = _("{words}\nFixed scan: {fixed}\nMoving scan: {moving}")
        places = {"fixed": positionText(fixed), "moving": positionText(moving)}
        self._ui.compareLabel.text = text.format(words=modeTexts()[self._comparison.mode], **places)


def modes():
    """Title by value."""
    return {
        OFF: _("Off"),
        "blend": _("Blend"),
        "checkerboard": _("Checkerboard"),
        "swipe": _("Swipe"),
        "flicker": _("Flicker"),
        "difference": _("Difference"),
        "two colours": _("Two colours"),
        "edges": _("Edges"),
    }


def scans():
    return {"warpedMoving": _("Registered moving scan"), "moving": _("Moving scan as it came")}


def modeTexts():
    """How to read each mode."""
    return {
        "blend": _("Both at once: what does not fit looks double."),
        "checkerboard": _(
            "Fixed scan in the lower left field, then by turns: lines that break at a border do not fit."
        ),
        "swipe": _("Fixed scan left of the line, moving scan right of it. The line follows the mouse."),
        "flicker": _("One scan at a time: what jumps does not fit."),
        "difference": _("Red: the moving scan is brighter; cyan: the fixed one, as both are windowed; black: alike."),
        "two colours": _("The fixed scan green, the moving one magenta, grey where both are as bright."),
        "edges": _("Edges of the moving scan, gold, on the fixed scan."),
    }


def positionText(ras):
    """ "L 12.1, P 3.4, S 5.0 mm", in the patient's directions."""
    letters = [ends[int(mm < 0)] for ends, mm in zip(("RL", "AP", "SI"), ras, strict=True)]
    return ", ".join(f"{letter} {abs(mm):.1f}" for letter, mm in zip(letters, ras, strict=True)) + " mm"
