"""The section Compare on the stand-in host, with views that draw: what it shows, and that nothing of it stays."""

import time

import numpy as np
import pytest

import slicer
from panel.fixtures import press, waitUntil
from panel.test_sections import cells, texts


@pytest.fixture
def compare(views, panel, registered):
    """The section, open, with a registration on show whose views were drawn."""
    panel.ui.compareCollapsibleButton.collapsed = False
    return panel.ui


def choose(ui, mode):
    ui.compareModeSelector.currentIndex = ui.compareModeSelector.findText(mode)


def drawn(views, name="Red"):
    return views.sliceWidget(name).sliceView().offscreen.render()


def ids():
    return {slicer.mrmlScene.GetNthNode(n).GetID() for n in range(slicer.mrmlScene.GetNumberOfNodes())}


def test_every_way_to_compare_changes_all_slice_views_and_off_gives_them_back(views, compare):
    before, nodes = {name: drawn(views, name) for name in views.sliceViewNames()}, ids()
    for mode in texts(compare.compareModeSelector)[1:]:
        choose(compare, mode)
        compare.compareAgainstSelector.currentIndex = 1
        if mode == "Flicker":
            compare.flickerButton.click()
        assert compare.compareLabel.text, mode
        for name, picture in before.items():
            assert not np.array_equal(drawn(views, name), picture), (mode, name)
    choose(compare, "Off")
    for name, picture in before.items():
        assert np.array_equal(drawn(views, name), picture)
    assert ids() == nodes and compare.compareLabel.text == ""


def isOff(panel, views, before):
    return panel.ui.compareModeSelector.currentText == "Off" and np.array_equal(drawn(views), before)


def test_the_views_come_back_when_the_section_is_left(module, views, panel, compare):
    before = drawn(views)

    def leaving(act):
        panel.ui.compareCollapsibleButton.collapsed = False
        choose(compare, "Two colours")
        assert not np.array_equal(drawn(views), before)
        act()
        assert isOff(panel, views, before)

    leaving(lambda: setattr(panel.ui.compareCollapsibleButton, "collapsed", True))
    leaving(panel.exit)
    panel.enter()


def test_the_views_come_back_when_the_registration_goes(views, panel, registered, compare):
    choose(compare, "Edges")
    registered.remove()
    assert compare.compareModeSelector.currentText == "Off"
    assert not compare.compareControls.isVisibleTo(compare.RegExplain)


def test_the_views_come_back_when_the_scene_is_closed(views, panel, compare):
    choose(compare, "Edges")
    slicer.mrmlScene.Clear(False)
    assert compare.compareModeSelector.currentText == "Off"


def test_the_controls_are_those_of_what_is_shown(views, panel, compare):
    def seen():
        names = ("blendSlider", "fieldsSlider", "flickerButton")
        return {name for name in names if getattr(compare, name).isVisibleTo(compare.compareControls)}

    for mode, expected in {"Blend": {"blendSlider"}, "Checkerboard": {"fieldsSlider"}, "Edges": set()}.items():
        choose(compare, mode)
        assert seen() == expected
    choose(compare, "Flicker")
    assert seen() == {"flickerButton"}


def test_the_sliders_change_the_picture_at_once(views, panel, compare):
    compare.compareAgainstSelector.currentIndex = 1
    for mode, slider, value in (("Blend", compare.blendSlider, 90.0), ("Checkerboard", compare.fieldsSlider, 20.0)):
        choose(compare, mode)
        before = drawn(views)
        slider.value = value
        assert not np.array_equal(drawn(views), before), mode


def test_the_place_under_the_mouse_is_told_in_both_scans(views, panel, registered, compare):
    crosshair = slicer.mrmlScene.AddNode(slicer.vtkMRMLCrosshairNode())
    compare.linkedCursorCheckBox.checked = True
    choose(compare, "Blend")
    node = views.sliceWidget("Red").sliceView().mrmlSliceNode()
    crosshair.SetCursorPositionXYZ([100, 100, 0], node)
    fixed = node.GetXYToRAS().MultiplyPoint((100, 100, 0, 1))[:3]
    words = compare.compareLabel.text.partition("Fixed scan: ")[2].split("\nMoving scan: ")
    for text, ras in zip(words, (fixed, registered.movingPoint(fixed)), strict=True):
        ends = [pair[int(mm < 0)] for pair, mm in zip(("RL", "AP", "SI"), ras, strict=True)]
        assert text == ", ".join(f"{end} {abs(mm):.1f}" for end, mm in zip(ends, ras, strict=True)) + " mm"


def test_a_new_layout_is_compared_in_too(views, panel, registered, compare, monkeypatch):
    """The layout node's event is left out: the host's own answer to it ends Python where no layout was there before."""
    from RegExplainLib.GUI.Sections import CompareSection

    choose(compare, "Two colours")
    asked, every = [], CompareSection.sliceViews
    monkeypatch.setattr(CompareSection, "sliceViews", lambda: asked.append(1) or every())
    [section] = (section for section in panel._sections if type(section).__name__ == "CompareSection")
    section._renewing.start(0)
    waitUntil(lambda: asked)
    assert len(asked) == 1 and compare.compareModeSelector.currentText == "Two colours"


def test_a_difference_of_two_contrasts_is_said_and_not_shown(views, panel, registered, compare, shown):
    array = slicer.util.arrayFromVolume(registered.warpedMoving)
    array[:] = np.where(array > 100, 1000 - array, 0)
    before = drawn(views)
    choose(compare, "Difference")
    assert len(shown) == 1 and "different contrasts" in shown[0]
    assert isOff(panel, views, before)


def test_the_report_shows_the_views_as_they_are_without_it(views, panel, registered, compare, monkeypatch):
    import qt

    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: True)
    choose(compare, "Two colours")
    panel.ui.reportButton.click()
    assert panel.ui.compareModeSelector.currentText == "Off"


def test_without_views_there_is_nothing_to_compare_in(panel, registered):
    assert "without its main window" in panel.ui.compareReasonLabel.text


def test_no_step_of_comparing_keeps_slicer_waiting(views, panel, compare):
    compare.compareAgainstSelector.currentIndex = 1
    for mode in texts(compare.compareModeSelector)[1:]:
        began = time.process_time()
        choose(compare, mode)
        assert time.process_time() - began < 0.1, mode


def test_another_registration_ends_the_comparison(views, panel, registered, compare, worker):
    choose(compare, "Edges")
    press(panel, panel.ui.registerButton)
    assert compare.compareModeSelector.currentText == "Off"


def test_what_changed_is_listed_drawn_and_a_click_away(views, panel, registered, compare):
    from RegExplainLib.MRML.Layers import ChangesLayer

    assert not compare.showChangesCheckBox.enabled
    press(panel, compare.changesButton)
    rows = [("brighter", "0.40", "+3.5", "segment 1"), ("darker", "0.10", "-2.5", "segment 1")]
    assert cells(compare.changesTable) == rows
    assert ChangesLayer(registered).visible and compare.showChangesCheckBox.checked
    assert "no detector of disease" in compare.statusLabel.text
    compare.changesTable.cellClicked.emit(1, 0)
    matrix = views.sliceWidget("Red").sliceView().mrmlSliceNode().GetSliceToRAS()
    assert np.allclose([matrix.GetElement(axis, 3) for axis in range(3)], (-0.1, -2.0, 3.0), atol=1e-6)
    compare.showChangesCheckBox.checked = False
    assert not ChangesLayer(registered).visible
