"""The panel's buttons in any order, and quitting at every stage: no traceback and nothing left running.

A traceback in a slot, in an observer of the scene, or in a timer that outlives its widgets fails the test (`module`).
"""

import random
import time

import pytest

from panel.fixtures import addSegmentation, jobFolders, loadSamplePair, press, settle, waitUntil

CLICKS = 30


@pytest.fixture
def desk(panel, worker, shown, tmp_path, monkeypatch):
    """The panel with the sample pair, where files are asked for and pages opened without a window; the sentences
    that were shown as errors."""
    import qt

    messages = panel.session.messages
    monkeypatch.setattr(messages, "askFolder", lambda title: str(tmp_path))
    monkeypatch.setattr(messages, "askFile", lambda *words: str(tmp_path / "motion.gif"))
    monkeypatch.setattr(messages, "askExistingFile", lambda *words: "")
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: True)
    loadSamplePair(panel)
    return shown


def controls(ui):
    """What can be clicked now, by name."""
    clickable = ("QPushButton", "QCheckBox", "ctkCollapsibleButton")
    return sorted(name for name, w in vars(ui).items() if w.className() in clickable and w.enabled)


def turn():
    import slicer

    slicer.app.processEvents()


def turns(seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        turn()
        time.sleep(0.005)


def choose(chance, box):
    if box.enabled and box.count:
        box.currentIndex = chance.randrange(box.count)


@pytest.mark.ci
@pytest.mark.parametrize("seed", range(4))
def test_buttons_in_any_order_break_nothing(module, panel, desk, seed):
    import slicer

    chance, ui, done = random.Random(seed), panel.ui, []
    if seed % 2:
        press(panel, ui.registerButton)
    for _ in range(CLICKS):
        name = chance.choice(controls(ui))
        done.append(name)
        getattr(ui, name).click()
        if ui.pickRegionButton.checked and chance.random() < 0.5:
            points = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")[-1]
            points.AddControlPointWorld(*panel.session.result.fixedSegmentation.GetSegmentCenterRAS("Segment_1"))
        for box in (ui.stageSelector, ui.regionSelector, ui.componentSelector, ui.resultSelector):
            if chance.random() < 0.1:
                choose(chance, box)
        if chance.random() < 0.7:
            waitUntil(lambda: not panel.session.job)
        else:
            turn()
    module.close()
    turns(0.2)
    assert not unexpected(desk), done
    assert panel.session.job == "" and jobFolders() == [], done


def unexpected(sentences):
    """Refusals in plain words, as that there are no views here, are none."""
    return [sentence for sentence in sentences if "unexpected" in sentence]


def nothing(panel):
    pass


def tour(panel):
    panel.ui.tourCollapsibleButton.collapsed = False
    panel.ui.tourNextButton.click()


def computing(panel):
    panel.ui.registerButton.click()


def loading(panel):
    stages = []
    panel.session.runner.progress.connect(lambda stage, *_: stages.append(stage))
    panel.ui.registerButton.click()
    waitUntil(lambda: "Loading" in stages)


def registered(panel):
    press(panel, panel.ui.registerButton)


def picking(panel):
    import slicer

    registered(panel)
    panel.ui.pickRegionButton.click()
    slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")[0].AddControlPointWorld(0, 0, 0)


def explaining(panel):
    registered(panel)
    panel.ui.explainButton.click()


def explained(panel):
    registered(panel)
    press(panel, panel.ui.explainButton)
    panel.ui.showStagesCheckBox.click()
    settle(panel)


def playing(panel):
    registered(panel)
    press(panel, panel.ui.componentsButton)
    press(panel, panel.ui.decomposeButton)
    panel.ui.warpImageCheckBox.click()


def applied(panel):
    import slicer

    registered(panel)
    node = addSegmentation("Mine", slicer.util.getNode("RegExplain sample moving"), ["A"])
    panel.ui.applySelector.setCurrentNode(node)
    panel.ui.applyButton.click()


def saving(panel):
    registered(panel)
    panel.ui.saveResultButton.click()


STAGES = [nothing, tour, computing, loading, registered, picking, explaining, explained, playing, applied, saving]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("first", ["the module", "the scene"])
def test_quitting_at_any_stage_leaves_nothing_running_and_no_traceback(module, panel, desk, stage, first):
    """Slicer closes the module first; a user may close the scene just before."""
    import slicer

    stage(panel)
    if first == "the scene":
        slicer.mrmlScene.Clear(False)
    module.close()
    turns(0.1)
    assert not unexpected(desk) and jobFolders() == []
    assert panel.session.job == "" and not panel.session.runner.running
