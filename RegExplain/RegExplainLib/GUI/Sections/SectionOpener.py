import qt


class SectionOpener:
    """Opens sections of the panel and scrolls them into view."""

    def __init__(self, ui):
        self._ui = ui
        self._buttons = []
        self._scrolling = qt.QTimer(ui.RegExplain)
        self._scrolling.setSingleShot(True)
        self._scrolling.connect("timeout()", self._scroll)

    def open(self, names):
        """Open the sections of these names in the .ui; the first is scrolled into view in any case."""
        self._buttons = [getattr(self._ui, f"{name}CollapsibleButton") for name in names]
        for button in self._buttons:
            button.collapsed = False
        self._scrolling.start(0)  # an opened section has its height once Qt has laid it out

    @property
    def busy(self):
        """Whether it is yet to scroll."""
        return self._scrolling.active

    def _scroll(self):
        area = scrollAreaOf(self._ui.RegExplain)
        if area is None:
            return
        for button in reversed(self._buttons):
            top = button.mapTo(area.widget(), qt.QPoint(0, 0)).y()
            for y in (top + button.height, top):  # its title, where both are too much
                area.ensureVisible(0, y, 0, 0)


def scrollAreaOf(widget):
    """What the widget lies in, as in Slicer's module panel; None where in nothing that scrolls."""
    while widget is not None and not isinstance(widget, qt.QScrollArea):
        widget = widget.parentWidget()
    return widget
