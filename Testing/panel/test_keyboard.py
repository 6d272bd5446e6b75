"""The panel without a mouse. Focus and keys are Qt's here, not Slicer's."""

import pytest

from panel.fixtures import waitUntil

PASSIVE = ("QLabel", "QWidget", "qMRMLWidget", "QProgressBar")


@pytest.fixture
def window(module, panel, registered):
    """The panel on show with a result and all sections open."""
    from PySide6.QtWidgets import QApplication, QWidget

    widget = module.parent.widgetRepresentation()
    for name, section in vars(panel.ui).items():
        if name.endswith("CollapsibleButton"):
            section.collapsed = False
    QWidget.show(widget)
    for _ in range(3):  # word wrap settles
        QWidget.resize(widget, 400, QWidget.layout(widget).heightForWidth(400))
        QApplication.processEvents()
    QWidget.activateWindow(widget)
    waitUntil(lambda: QApplication.activeWindow() is not None)
    yield widget
    QWidget.hide(widget)


def tabStops(window):
    """The widgets that the Tab key goes through."""
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QWidget

    chain, widget = [], QWidget.nextInFocusChain(window)
    while widget is not window:
        if Qt.TabFocus & QWidget.focusPolicy(widget):
            chain.append(widget)
        widget = QWidget.nextInFocusChain(widget)
    return chain


def test_the_tab_key_goes_through_every_control_from_top_to_bottom(window, panel):
    from PySide6.QtCore import QPoint
    from PySide6.QtWidgets import QWidget

    stops = tabStops(window)
    named = [w for w in vars(panel.ui).values() if w.className() not in PASSIVE and not w.name.startswith("qt_")]
    controls = [w for w in named if w.className() != "ctkCollapsibleButton" and QWidget.isVisible(w)]
    assert len(controls) > 40
    for control in controls:
        assert any(stop is control or QWidget.isAncestorOf(control, stop) for stop in stops), control.name
    heights = [QWidget.mapTo(stop, window, QPoint(0, 0)).y() for stop in stops if stop in controls]
    assert heights == sorted(heights)


def test_no_table_and_no_text_keeps_the_tab_key_to_itself(panel):
    ui = panel.ui
    assert not any(table.tabKeyNavigation for table in (ui.segmentTable, ui.partsTable, ui.trustTable))
    assert ui.logText.tabChangesFocus


def test_a_row_is_chosen_by_the_keyboard_as_by_a_click(panel, registered):
    panel.ui.segmentTable.cellActivated.emit(1, 0)
    assert panel.ui.regionSelector.currentText == "Tail"


def test_every_label_leads_to_the_control_beside_it(panel):
    from PySide6.QtWidgets import QLabel

    labels = [w for name, w in vars(panel.ui).items() if name.endswith("Label") and w.text.endswith(":")]
    assert len(labels) > 20
    assert [label.name for label in labels if QLabel.buddy(label) is None] == []


def test_keys_register_play_and_open_the_report(window, panel, registered, monkeypatch):
    import qt

    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: not opened.append(url))
    (registered.folder.path / "report.html").write_text("a page")
    panel.session.changed.emit()
    strike(window, "P")
    assert panel.ui.animateButton.text == "Pause"
    strike(window, "P")
    assert panel.ui.animateButton.text == "Play"
    strike(window, "O")
    assert len(opened) == 1
    strike(window, "R")
    assert panel.session.job == "register" and not panel.ui.reportButton.enabled
    strike(window, "O")
    assert len(opened) == 1, "not while the button is disabled"
    waitUntil(lambda: not panel.session.job)


def test_the_keys_stand_in_the_tooltips(panel, registered):
    from RegExplainLib.GUI.Shortcuts import KEYS

    (registered.folder.path / "report.html").write_text("a page")
    panel.session.changed.emit()
    for name, key in KEYS.items():
        assert getattr(panel.ui, name).toolTip.endswith(f"Key: {key}.")


def strike(window, letter):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    QTest.keyClick(window, getattr(Qt, f"Key_{letter}"), Qt.ControlModifier | Qt.ShiftModifier)
