"""What goes wrong with the scene, the disk, the worker and the user, at any moment: nothing breaks or stays behind."""

import time
from pathlib import Path

import pytest

from panel.fixtures import addVolume, isAlive, jobFolders, press, waitUntil


def resultFolders():
    """Of results, and what a worker began to write beside one."""
    import slicer

    folder = Path(slicer.app.temporaryPath)
    return {path.name for pattern in ("RegExplain-*", ".RegExplain-*") for path in folder.glob(pattern)}


def isUsable(panel):
    """Whether another registration can be started."""
    parameters = panel.session.parameterNode
    if parameters.fixed is None or parameters.moving is None:
        parameters.fixed, parameters.moving = addVolume("Other A"), addVolume("Other B")
    return panel.ui.registerButton.enabled and panel.ui.registerButton.text == "Register"


# When it goes wrong --------------------------------------------------------------------------------------------------


def nodeCount():
    import slicer

    return slicer.mrmlScene.GetNumberOfNodes()


def test_the_workers_error_is_shown_once(panel, volumes, worker, shown):
    worker("error")
    before = nodeCount()
    press(panel, panel.ui.registerButton)
    assert shown == ["The fixed image has the same value (0) in every voxel; check that the right file was given."]
    assert "Nothing in your scene was changed" in panel.ui.statusLabel.text
    assert nodeCount() == before and jobFolders() == []
    assert panel.ui.registerButton.enabled and panel.ui.registerButton.text == "Register"


@pytest.mark.parametrize(("behaviour", "words"), [("silent", "exit code 3"), ("killed", "lack of memory")])
def test_a_worker_that_dies_is_one_sentence_with_what_to_do(panel, volumes, worker, shown, behaviour, words):
    worker(behaviour)
    press(panel, panel.ui.registerButton)
    [sentence] = shown
    assert words in sentence and "try again" in sentence
    assert jobFolders() == []


def test_garbage_on_the_workers_output_goes_to_the_log(panel, volumes, worker, shown):
    worker("garbage")
    press(panel, panel.ui.registerButton)
    assert shown == [] and panel.session.result is not None
    log = panel.ui.logText.toPlainText()
    assert "not text" in log and "party" in log and "W\ufffdrnung" in log and "and no line end" in log


def test_a_python_that_cannot_be_started_is_said(panel, volumes, worker, shown, monkeypatch):
    from RegExplainLib.GUI.Jobs import WorkerProcess

    monkeypatch.setattr(WorkerProcess, "workerCommand", lambda: ["/nowhere/PythonSlicer"])
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "could not be started" in shown[0]
    assert panel.ui.registerButton.enabled


def test_input_that_cannot_be_written_starts_no_job(panel, volumes, worker, shown):
    import slicer

    panel.session.parameterNode.fixed = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing in it")
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "holds no image" in shown[0]
    assert jobFolders() == []


def test_a_result_that_cannot_be_loaded_leaves_the_panel_usable(panel, volumes, worker, shown, monkeypatch):
    from RegExplainLib.MRML.ResultNodes import ResultNodes

    monkeypatch.setattr(ResultNodes, "loadInSteps", lambda *_: (1 / 0 for _ in range(2)))
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "unexpected" in shown[0]
    assert panel.ui.registerButton.enabled and panel.session.result is None


# Cancelling ----------------------------------------------------------------------------------------------------------


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def hanging(panel, worker, tmp_path):
    """Start a job that never ends; returns the process ids of the worker and of its child."""
    pids = tmp_path / "pids"
    worker("hang", pids)
    panel.ui.registerButton.click()
    waitUntil(lambda: pids.exists() and len(pids.read_text(encoding="utf-8").split()) == 2)
    return [int(pid) for pid in pids.read_text(encoding="utf-8").split()]


@needs_proc
def test_cancel_ends_the_worker_and_its_child_within_two_seconds(panel, volumes, worker, tmp_path):
    processes = hanging(panel, worker, tmp_path)
    before = nodeCount()
    assert all(map(isAlive, processes)) and panel.ui.registerButton.text == "Cancel"
    assert not panel.ui.explainButton.enabled
    panel.ui.registerButton.click()
    began = time.monotonic()
    waitUntil(lambda: not panel.session.job and not any(map(isAlive, processes)), 2)
    assert time.monotonic() - began < 2
    assert "Cancelled" in panel.ui.statusLabel.text and panel.ui.registerButton.text == "Register"
    assert jobFolders() == [] and nodeCount() == before


@needs_proc
def test_a_launcher_between_slicer_and_python_makes_no_difference(panel, volumes, worker, tmp_path, monkeypatch):
    """PythonSlicer starts Python as its child."""
    from RegExplainLib.GUI.Jobs import WorkerProcess

    worker("hang", tmp_path / "pids")
    command = WorkerProcess.workerCommand()
    launched = ["/bin/sh", "-c", 'exec 3<&0; "$@" <&3 & wait $!; exit $?', "launcher", *command]
    monkeypatch.setattr(WorkerProcess, "workerCommand", lambda: launched)
    panel.ui.registerButton.click()
    waitUntil(
        lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text(encoding="utf-8").split()) == 2
    )
    processes = [int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()]
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job and not any(map(isAlive, processes)), 2)


@needs_proc
def test_cancel_at_once_leaves_no_process(panel, volumes, worker, tmp_path):
    worker("hang", tmp_path / "pids")
    panel.ui.registerButton.click()
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job, 3)
    time.sleep(0.3)
    if (tmp_path / "pids").exists():
        assert not any(isAlive(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split())


@needs_proc
def test_closing_the_module_ends_the_worker_before_it_returns(module, panel, volumes, worker, tmp_path):
    processes = hanging(panel, worker, tmp_path)
    module.close()
    waitUntil(lambda: not any(map(isAlive, processes)), 1)
    assert jobFolders() == []


@needs_proc
def test_closing_the_scene_cancels_the_job(panel, volumes, worker, tmp_path, shown):
    import slicer

    processes = hanging(panel, worker, tmp_path)
    slicer.mrmlScene.Clear(False)
    waitUntil(lambda: not panel.session.job and not any(map(isAlive, processes)), 2)
    assert shown == [] and not panel.ui.registerButton.enabled
    assert panel.session.parameterNode is not None and panel.session.result is None


def test_what_was_said_of_a_closed_scene_is_gone(panel, registered):
    import slicer

    assert "mm on average" in panel.ui.statusLabel.text
    slicer.mrmlScene.Clear(False)
    assert panel.ui.statusLabel.text == "" and not panel.ui.statusLabel.isVisibleTo(panel.ui.RegExplain)


# The scene changes under it ------------------------------------------------------------------------------------------


def test_changed_and_deleted_inputs_do_not_disturb_a_running_job(panel, volumes, worker, shown):
    import slicer

    panel.ui.registerButton.click()
    panel.session.parameterNode.moving = None
    slicer.mrmlScene.RemoveNode(volumes[0])
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and panel.session.result is not None


def test_a_result_deleted_during_its_explanation_is_dropped_quietly(panel, registered, shown):
    panel.ui.explainButton.click()
    registered.remove()
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and panel.session.result is None and not panel.ui.explainButton.enabled


def test_a_second_job_is_refused_in_words_and_the_first_goes_on(panel, volumes, worker, tmp_path):
    hanging(panel, worker, tmp_path)
    assert panel.ui.explainTransformButton.toolTip == "Another computation is running."
    panel.session.startJob("explain", None, None)
    assert "Another computation is running" in panel.ui.statusLabel.text and panel.session.job == "register"
    panel.session.cancel()
    waitUntil(lambda: not panel.session.job)


# At any moment -------------------------------------------------------------------------------------------------------


def closeScene(module):
    import slicer

    slicer.mrmlScene.Clear(False)


def deleteInputs(module):
    import slicer

    parameters = module.parent.widgetRepresentation().self().panel.session.parameterNode
    for volume in (parameters.fixed, parameters.moving):
        slicer.mrmlScene.RemoveNode(volume)


def changeInputs(module):
    parameters = module.parent.widgetRepresentation().self().panel.session.parameterNode
    parameters.fixed, parameters.moving = parameters.moving, addVolume("Another")


def leave(module):
    module.leave()


def quit(module):
    module.close()


EVENTS = [closeScene, deleteInputs, changeInputs, leave, quit]


@needs_proc
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("moment", ["at once", "computing"])
def test_nothing_that_happens_during_a_job_breaks_it(module, panel, volumes, worker, tmp_path, shown, moment, event):
    before = resultFolders()
    processes = hanging(panel, worker, tmp_path) if moment == "computing" else []
    if moment == "at once":
        worker("hang", tmp_path / "pids")
        panel.ui.registerButton.click()
    event(module)
    if event in (deleteInputs, changeInputs, leave):
        assert panel.session.job == "register"
        panel.session.cancel()
    waitUntil(lambda: not panel.session.job and not any(map(isAlive, processes)), 3)
    if (tmp_path / "pids").exists():
        assert not any(isAlive(int(pid)) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split())
    assert shown == [] and jobFolders() == [] and resultFolders() == before
    if event is not quit:
        module.open()
        assert isUsable(panel)


@pytest.fixture(params=["read", "added"])
def whileLoaded(request, monkeypatch, panel):
    """`whileLoaded(event)` lets it happen while the next result is read, or between two steps of adding it."""
    import qt

    from RegExplainLib.MRML.ResultNodes import ResultNodes

    def atReading(event):
        panel.session.runner.progress.connect(lambda stage, *_: stage == "Loading" and qt.QTimer.singleShot(0, event))

    def atAdding(event):
        add = ResultNodes._addVolume

        def adding(result, role, *rest):
            add(result, role, *rest)
            if role == "moving":
                qt.QTimer.singleShot(0, event)

        monkeypatch.setattr(ResultNodes, "_addVolume", adding)

    return atReading if request.param == "read" else atAdding


@pytest.mark.parametrize("event", EVENTS)
def test_nothing_that_happens_while_the_result_is_loaded_breaks_it(
    module, panel, volumes, worker, shown, whileLoaded, event
):
    from RegExplainLib.MRML.ResultNodes import ResultNodes

    before, session = resultFolders(), panel.session
    whileLoaded(lambda: event(module))
    panel.ui.registerButton.click()
    waitUntil(lambda: not session.job)
    assert shown == [] and jobFolders() == []
    if event in (closeScene, quit):
        assert ResultNodes.find() == [] and resultFolders() == before
    else:
        assert session.result is not None
    if event is not quit:
        module.open()
        assert isUsable(panel)


@pytest.mark.parametrize("event", [closeScene, deleteInputs, leave, quit])
def test_nothing_that_happens_during_an_explanation_breaks_it(module, panel, registered, worker, shown, event):
    panel.ui.explainButton.click()
    event(module)
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and jobFolders() == []


def test_loading_can_be_cancelled(panel, volumes, worker, whileLoaded):
    before, nodes = resultFolders(), nodeCount()
    whileLoaded(panel.ui.registerButton.click)
    press(panel, panel.ui.registerButton)
    assert "Cancelled" in panel.ui.statusLabel.text and nodeCount() == nodes and resultFolders() == before


def test_what_is_half_loaded_is_neither_listed_nor_seen(panel, volumes, worker, whileLoaded):
    from RegExplainLib.MRML.ResultNodes import ResultNodes

    session, seen = panel.session, []

    def look():
        session.changed.emit()
        outlines = [r.fixedSegmentation for r in ResultNodes.find() if r.fixedSegmentation is not None]
        seen.append((session.result, session.results, [node for node in outlines if node.GetDisplayVisibility()]))

    whileLoaded(look)
    press(panel, panel.ui.registerButton)
    assert seen == [(None, [], [])] and session.result is not None and len(session.results) == 1


@needs_proc
def test_a_cancelled_explanation_leaves_the_result_and_its_folder_as_they_were(panel, registered, worker, tmp_path):
    record, folders, nodes = registered.record, resultFolders(), nodeCount()
    files = sorted(str(path) for path in registered.folder.path.rglob("*"))
    worker("hang", tmp_path / "pids")
    panel.ui.explainButton.click()
    waitUntil(lambda: any(name.startswith(".") for name in resultFolders()))
    panel.ui.explainButton.click()
    waitUntil(lambda: not panel.session.job, 3)
    assert registered.record == record and nodeCount() == nodes and resultFolders() == folders
    assert sorted(str(path) for path in registered.folder.path.rglob("*")) == files
    assert panel.ui.explainButton.enabled


# Worker and disk -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("memory", "not enough memory"),
        ("lost", "let the processor compute instead (in the panel Processor only"),
        ("full", "No space left on device"),
        ("nowhere", "result cannot be read"),
        ("half", "result cannot be read"),
    ],
)
def test_a_job_that_fails_is_one_sentence_and_leaves_nothing(panel, volumes, worker, shown, behaviour, words):
    before, nodes = resultFolders(), nodeCount()
    worker(behaviour)
    press(panel, panel.ui.registerButton)
    [sentence] = shown
    assert words in sentence and "Traceback" not in sentence
    assert jobFolders() == [] and resultFolders() == before and nodeCount() == nodes and isUsable(panel)


def test_after_the_graphics_card_is_lost_the_processor_computes(panel, volumes, worker, shown):
    worker("lost")
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "device-side assert triggered" in shown[0] and "TORCH_USE_CUDA_DSA" not in shown[0]
    assert isUsable(panel) and "--device" not in panel.ui.logText.toPlainText()
    worker("good")
    panel.ui.processorOnlyCheckBox.click()
    for button in (panel.ui.registerButton, panel.ui.explainButton, panel.ui.decomposeButton):
        panel.ui.logText.clear()
        press(panel, button)
        assert "--device cpu" in panel.ui.logText.toPlainText()
    assert len(shown) == 1 and panel.session.result is not None


def test_a_verb_that_knows_no_device_is_given_none(panel, volumes, worker):
    import slicer

    panel.ui.processorOnlyCheckBox.click()
    panel.session.parameterNode.transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Theirs")
    press(panel, panel.ui.explainTransformButton)
    assert "--device" not in panel.ui.logText.toPlainText() and panel.session.result is not None


def test_a_disk_full_during_an_explanation_leaves_the_result_as_it_was(panel, registered, worker, shown):
    record, folders = registered.record, resultFolders()
    worker("full")
    press(panel, panel.ui.explainButton)
    assert len(shown) == 1 and "No space left" in shown[0]
    assert registered.record == record and resultFolders() == folders and panel.ui.explainButton.enabled


def noSpace(*arguments, **options):
    import errno
    import os

    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("function", ["tempfile.mkdtemp", "shutil.move"])
def test_a_disk_full_on_this_side_is_one_sentence(panel, volumes, worker, shown, monkeypatch, function):
    before, nodes = resultFolders(), nodeCount()
    monkeypatch.setattr(function, noSpace)
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "No space left on device" in shown[0] and "free space" in shown[0]
    assert jobFolders() == [] and resultFolders() == before and nodeCount() == nodes and isUsable(panel)


def test_inputs_that_do_not_fit_on_the_disk_are_one_sentence(panel, volumes, worker, shown, monkeypatch):
    import SimpleITK as sitk

    def full(*arguments):
        raise RuntimeError("itk::ERROR: could not write")

    monkeypatch.setattr(sitk, "WriteImage", full)
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "free disk space" in shown[0] and jobFolders() == []


def test_a_temporary_folder_that_cannot_be_written_to_is_one_sentence(
    panel, volumes, worker, shown, monkeypatch, tmp_path
):
    import slicer

    (tmp_path / "a file").touch()
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "a file"))
    press(panel, panel.ui.registerButton)
    assert len(shown) == 1 and "a file cannot be written to" in shown[0] and "folder that is yours" in shown[0]


def test_a_folder_that_refuses_the_saved_result_is_one_sentence(panel, registered, shown, monkeypatch, tmp_path):
    (tmp_path / "a file").touch()
    monkeypatch.setattr(panel.session.messages, "askFolder", lambda title: str(tmp_path / "a file"))
    press(panel, panel.ui.saveResultButton)
    assert len(shown) == 1 and "cannot be written to" in shown[0]
    assert panel.ui.saveResultButton.enabled and list(tmp_path.iterdir()) == [tmp_path / "a file"]


def test_spaces_and_letters_of_all_languages_in_paths_and_names(panel, worker, shown, monkeypatch, tmp_path):
    import slicer

    folder = tmp_path / "Größe 中文 mit Leerzeichen"
    folder.mkdir()
    monkeypatch.setattr(slicer.app, "temporaryPath", str(folder))
    parameters = panel.session.parameterNode
    parameters.fixed, parameters.moving = addVolume("Öçé 患者 A"), addVolume("Öçé 患者 B")
    press(panel, panel.ui.registerButton)
    press(panel, panel.ui.explainButton)
    assert shown == [] and panel.ui.showHeatmapCheckBox.checked
    assert "患者" not in panel.ui.logText.toPlainText(), "names of nodes go into no file"


@pytest.mark.ci
def test_a_worker_that_says_too_much_does_not_block_the_panel(panel, volumes, worker):
    """In turns of the event loop, counted and not timed: each takes on a few lines only."""
    import qt

    from RegExplainLib.GUI.Jobs.WorkerProcess import LINES_PER_TURN

    worker("flood")
    turns, lines = [0], []
    panel.session.runner.progress.connect(lambda *values: lines.append(turns[0]))

    def turn():
        turns[0] += 1
        if panel.session.job:
            qt.QTimer.singleShot(0, turn)

    panel.ui.registerButton.click()
    turn()
    waitUntil(lambda: not panel.session.job)
    assert panel.session.result is not None and len(lines) > 20_000, "not one line is lost"
    assert max(lines.count(number) for number in set(lines)) <= 2 * LINES_PER_TURN


def test_quitting_removes_the_files_of_the_session(module, panel, registered):
    folder = registered.folder.path
    module.close()
    assert not folder.exists()
