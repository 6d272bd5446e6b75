"""The panel's main thread does one piece of work a turn of the event loop; files are read and written beside it."""

import threading
from collections import Counter

import pytest

from panel.fixtures import addSegmentation, jobFolders, loadSamplePair, press, settle, waitUntil


@pytest.fixture
def steps(host):
    from RegExplainLib.GUI.Jobs.StepRunner import StepRunner

    return StepRunner()


def never(*_):
    raise AssertionError("This was not to be called.")


def test_a_step_is_taken_a_turn_and_the_last_value_is_given(steps):
    import slicer

    done, ended = [], []
    steps.run((done.append(n) or n for n in range(3)), ended.append, never)
    for count in (1, 2, 3):
        assert len(done) == count and steps.running and ended == []
        slicer.app.processEvents()
    assert ended == [2] and not steps.running


def test_a_function_is_run_in_a_thread_and_its_result_given_back(steps):
    def work():
        found = yield threading.current_thread
        with pytest.raises(ZeroDivisionError):
            yield lambda: 1 / 0
        return found

    ended = []
    steps.run(work(), ended.append, never)
    waitUntil(lambda: ended)
    assert ended[0] is not threading.main_thread() and not steps.running


def test_what_follows_a_thread_waits_for_a_turn_even_where_the_thread_ended_at_once(steps, monkeypatch):
    start, done, ended = threading.Thread.start, [], []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: start(thread) or thread.join())

    def work():
        done.append("before")
        yield lambda: None
        done.append("after")

    steps.run(work(), ended.append, never)
    assert done == ["before"] and steps.running
    waitUntil(lambda: ended)
    assert done == ["before", "after"]


def test_an_error_in_a_thread_ends_the_steps(steps):
    failed = []
    steps.run((step for step in [lambda: 1 / 0]), never, failed.append)
    waitUntil(lambda: failed)
    assert isinstance(failed[0], ZeroDivisionError) and not steps.running


def test_cancelling_waits_for_the_thread_and_goes_no_further(steps):
    import slicer

    running, undone, go = threading.Event(), [], threading.Event()

    def work():
        try:
            yield lambda: running.set() or go.wait(5) or undone.append("thread")
        finally:
            undone.append("generator")

    steps.run(work(), never, never)
    running.wait(5)
    threading.Timer(0.05, go.set).start()
    steps.cancel()
    assert undone == ["generator"] and not steps.running
    slicer.app.processEvents()


LONG = {  # what takes long of a whole head
    "RegExplainLib.MRML.NodeExport": ("volumeImage", "_mask"),
    "RegExplainLib.MRML.Conversion": ("voxelsOf", "masksOf", "addVolume", "addSegmentation", "addGridTransform"),
    "RegExplainLib.MRML.ResultNodes": ("fitSlices", "fitCameras"),
    "RegExplainLib.MRML.Layers.GlyphLayer": ("arrowField",),
    "RegExplainLib.MRML.Anatomy": ("tissue_threshold",),
    "RegExplainLib.MRML.Layers.JacobianLayer": ("jacobian_determinant",),
}
FILES = ("ReadImage", "WriteImage", "ReadTransform")


@pytest.fixture
def turns(monkeypatch, host):
    """Of the event loop: in each, how often the main thread did what takes long; and what it did with files."""
    from importlib import import_module

    import SimpleITK as sitk

    import slicer

    done, files, within = [Counter()], [], []

    def counted(function, name):
        def call(*arguments, **options):
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **options)
            done[-1][name] += not within  # what takes long because of what it calls counts once
            files.extend([name] if name in FILES else [])
            within.append(name)
            try:
                return function(*arguments, **options)
            finally:
                within.pop()

        return call

    modules = [(import_module(module), names) for module, names in LONG.items()]
    for module, names in [*modules, (sitk, FILES)]:
        for name in names:
            monkeypatch.setattr(module, name, counted(getattr(module, name), name))
    processEvents = slicer.app.processEvents
    monkeypatch.setattr(slicer.app, "processEvents", lambda: done.append(Counter()) or processEvents())
    return done, files


def test_registering_does_one_long_thing_a_turn_and_no_file_is_touched_by_the_main_thread(
    panel, volumes, worker, turns, shown
):
    done, files = turns
    parameters = panel.session.parameterNode
    parameters.fixedSegmentation = addSegmentation("Fixed", volumes[0], ["Head", "Tail", "Body"])
    parameters.movingSegmentation = addSegmentation("Moving", volumes[1], ["Head", "Tail"])
    del done[:-1]
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and panel.session.result is not None
    total = sum(done, Counter())
    assert total["_mask"] >= 5 and total["volumeImage"] == 2 and total["addVolume"] == 3
    assert [turn for turn in done if turn.total() > 1] == []
    assert files == []


def test_showing_a_registration_without_segments_does_one_long_thing_a_turn(panel, volumes, worker, turns, shown):
    """Slices, cameras, arrows, and the coloured map, that segments make needless."""
    done, _files = turns
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and panel.ui.showDisplacementCheckBox.checked and panel.ui.showArrowsCheckBox.checked
    total = sum(done, Counter())
    assert total["fitSlices"] == total["fitCameras"] == 1 and total["addVolume"] == 4 and total["arrowField"] == 0
    assert [turn for turn in done if turn.total() > 1] == []


def test_a_heatmap_is_read_and_its_voxels_copied_in_a_thread(panel, registered, turns, shown):
    done, files = turns
    panel.ui.explainButton.click()
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and panel.ui.showHeatmapCheckBox.checked
    total = sum(done, Counter())
    assert total["addVolume"] == 1 and total["voxelsOf"] == 0 and files == []


def test_a_heatmap_that_is_read_while_another_registration_is_chosen_is_not_shown_on_that(
    panel, registered, worker, monkeypatch, shown
):
    from RegExplainLib.MRML.Layers import HeatmapLayer, MapLayer

    making, first = MapLayer.prepare, registered.id
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job)
    second = panel.session.result.id

    def making_(layer):
        panel.session.choose(first)
        return making(layer)

    monkeypatch.setattr(HeatmapLayer, "prepare", making_)
    panel.ui.explainButton.click()
    waitUntil(lambda: not panel.session.job)
    assert first != second and panel.session.result.id == first and shown == []
    assert {c.GetForegroundVolumeID() for c in panel.session.result.sliceComposites()} == {None}


def test_a_map_is_computed_in_a_thread(panel, registered, turns, shown):
    done, files = turns
    panel.ui.showJacobianCheckBox.click()
    layer = next(layer for layer in registered.layers() if layer.key == "jacobian")
    assert panel.ui.showJacobianCheckBox.checked and not layer.added
    waitUntil(lambda: layer.added)
    assert layer.visible and panel.ui.showJacobianCheckBox.checked and shown == []
    assert sum(done, Counter()) == {"addVolume": 1} and files == []


def test_arrows_are_computed_in_a_thread(panel, registered, turns, shown):
    done, files = turns
    layer = next(layer for layer in registered.layers() if layer.key == "glyphs")
    layer.remove()
    panel.session.changed.emit()
    panel.ui.showArrowsCheckBox.click()
    assert panel.ui.showArrowsCheckBox.checked and not layer.added
    waitUntil(lambda: layer.added)
    assert layer.visible and panel.ui.showArrowsCheckBox.checked and shown == []
    assert sum(done, Counter()).total() == 0 and files == []


def test_the_sample_pair_comes_one_node_a_turn_and_its_files_are_read_in_a_thread(panel, turns, shown):
    done, files = turns
    loadSamplePair(panel)
    total = sum(done, Counter())
    assert panel.session.parameterNode.movingSegmentation is not None and shown == [] and files == []
    assert total["addVolume"] == total["addSegmentation"] == 2 and total["voxelsOf"] == total["masksOf"] == 0
    assert [turn for turn in done if turn.total() > 1] == []


def test_nothing_of_the_sample_pair_comes_into_a_scene_that_was_closed(panel, shown):
    import slicer

    panel.ui.samplePairButton.click()
    slicer.mrmlScene.Clear(False)
    settle(panel)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0 and shown == []


@pytest.mark.parametrize("chosen", ["resultLayoutCheckBox", "showStagesCheckBox"])
def test_a_layout_makes_its_layers_in_threads_and_adds_one_a_turn(panel, views, registered, turns, shown, chosen):
    import slicer
    from RegExplainLib.GUI.Sections.ResultLayoutSection import CHOICE

    press(panel, panel.ui.explainButton)
    for layer in registered.layers():
        layer.remove()
    panel.session.changed.emit()
    done, files = turns
    del done[:-1]
    done[-1].clear()
    box = getattr(panel.ui, chosen)
    box.click()
    assert box.checked
    settle(panel)
    total = sum(done, Counter())
    assert shown == [] and files == [] and total["addVolume"] >= 1
    assert box.checked
    assert total["arrowField"] == total["voxelsOf"] == total["tissue_threshold"] == 0
    assert [turn for turn in done if turn.total() > 1] == []
    box.click()
    slicer.app.userSettings().remove(CHOICE)


def test_another_registration_is_chosen_in_steps(panel, views, registered, turns, shown):
    first = registered.id
    press(panel, panel.ui.registerButton)
    done, _files = turns
    del done[:-1]
    done[-1].clear()
    panel.session.choose(first)
    settle(panel)
    total = sum(done, Counter())
    assert total["fitSlices"] == total["fitCameras"] == 1 and shown == [] and panel.session.result.id == first
    assert [turn for turn in done if turn.total() > 1] == []


def test_a_registration_that_is_left_while_it_enters_the_views_comes_back_with_its_layers(panel, registered, shown):
    first = registered.id
    press(panel, panel.ui.registerButton)
    second = panel.session.result.id
    for chosen in (first, second, first):  # at once
        panel.session.choose(chosen)
    settle(panel)
    visible = {result.id: [layer.key for layer in result.layers() if layer.visible] for result in panel.session.results}
    assert visible == {first: ["glyphs"], second: []} and panel.ui.showArrowsCheckBox.checked and shown == []


@pytest.mark.parametrize("change", ["another click", "another map", "another registration", "a new scene"])
def test_a_map_that_is_no_longer_asked_for_is_not_shown(panel, registered, shown, monkeypatch, change):
    import slicer

    if change == "another registration":
        press(panel, panel.ui.registerButton)
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: start(thread) or thread.join())
    layers = {layer.key: layer for layer in panel.session.result.layers()}
    panel.ui.showJacobianCheckBox.click()
    if change == "another click":
        panel.ui.showJacobianCheckBox.click()
    elif change == "another map":
        panel.ui.showDisplacementCheckBox.click()
        waitUntil(lambda: layers["displacement"].added)
    elif change == "another registration":
        panel.session.choose(registered.id)
    else:
        slicer.mrmlScene.Clear(False)
    for _ in range(10):
        slicer.app.processEvents()
    assert not layers["jacobian"].added and not panel.ui.showJacobianCheckBox.checked and shown == []


def test_what_is_written_is_what_was_there_when_the_button_was_pressed(panel, volumes, worker, monkeypatch):
    """Under a transform that goes at once, with its volume."""
    import SimpleITK as sitk
    import vtk

    import slicer
    from panel import fixtures
    from RegExplainLib.MRML import NodeExport

    node, shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode"), vtk.vtkMatrix4x4()
    shift.SetElement(2, 3, 30.0)
    node.SetMatrixTransformToParent(shift)
    segmentation = addSegmentation("Fixed", volumes[0], ["Head", "Tail"])
    for moved in (volumes[0], segmentation):
        moved.SetAndObserveTransformNodeID(node.GetID())
    panel.session.parameterNode.fixedSegmentation = segmentation
    written, writeImage = {}, NodeExport.writeImage
    monkeypatch.setattr(
        NodeExport, "writeImage", lambda image, path: written.update({path.name: image}) or writeImage(image, path)
    )
    panel.ui.registerButton.click()
    for gone in (volumes[0], segmentation, node):
        slicer.mrmlScene.RemoveNode(gone)
    fixtures.waitUntil(lambda: not panel.session.job)
    assert written["fixed.nrrd"].GetOrigin()[2] == 30 == written["fixed_segmentation.nrrd"].GetOrigin()[2]
    assert sitk.GetArrayViewFromImage(written["fixed_segmentation.nrrd"]).max() == 2


def test_cancelling_while_the_inputs_are_written_leaves_nothing(panel, volumes, worker, shown):
    panel.ui.registerButton.click()
    assert panel.session._verb.running and panel.ui.registerButton.text == "Cancel"
    panel.ui.registerButton.click()
    assert not panel.session.job and jobFolders() == [] and not panel.session.runner.running
    assert "Cancelled" in panel.ui.statusLabel.text and shown == []
