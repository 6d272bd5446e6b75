"""The panel with the real command behind it, on the sample pair that ships with the module."""

import importlib.util
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from panel.fixtures import isAlive, jobFolders, loadSamplePair, press, waitUntil
from sample_pair import FOLDER as SAMPLES

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@needs_torch
@pytest.mark.ci
def test_the_self_test_passes(module):
    """Register, explain, animate, save and reopen, as `RegExplainTest` does it inside Slicer."""
    import slicer

    slicer.selfTests["RegExplain"]()


def test_the_real_worker_refuses_a_constant_image_in_one_sentence(panel, shown):
    import numpy as np

    import slicer

    parameters = panel.session.parameterNode
    for role, value in (("fixed", 0), ("moving", 1)):
        setattr(parameters, role, slicer.util.addVolumeFromArray(np.full((8, 8, 8), value, np.int16), name=role))
    panel.session._verb._installLogic.ensure = lambda: True
    press(panel, panel.ui.registerButton)
    [sentence] = shown
    assert "same value" in sentence and "Traceback" not in sentence


def test_a_transform_made_elsewhere_is_measured_the_right_way_round(panel, shown, monkeypatch, tmp_path):
    """Without torch, and with a temporary folder of spaces and foreign letters. Arrows go from fixed to moving."""
    import vtk

    import slicer

    folder = tmp_path / "Größe 中文 mit Leerzeichen"
    folder.mkdir()
    monkeypatch.setattr(slicer.app, "temporaryPath", str(folder))
    panel.session._verb._installLogic.ensure = lambda: True
    loadSamplePair(panel)
    node, toParent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Theirs"), vtk.vtkMatrix4x4()
    toParent.SetElement(0, 3, 3.0)  # the moving scan goes 3 mm to the right, to lie on the fixed one
    node.SetMatrixTransformToParent(toParent)
    panel.ui.transformSelector.setCurrentNode(node)
    press(panel, panel.ui.explainTransformButton)
    assert shown == [] and "3.0 mm towards left" in panel.ui.statusLabel.text
    assert panel.session.result.record["segments"][0]["dice"] is not None
    assert panel.ui.reportButton.enabled and panel.ui.segmentTable.rowCount == 2


def workerId(panel):
    """The process id of the worker, once it has told it."""
    waitUntil(lambda: panel.session.runner._process is not None and panel.session.runner._process._groupId, 60)
    return panel.session.runner._process._groupId


def registerSamplePair(panel):
    panel.session._verb._installLogic.ensure = lambda: True
    loadSamplePair(panel)
    panel.session.parameterNode.model = "hippocampus"
    press(panel, panel.ui.registerButton, 120)
    assert panel.session.result is not None


@needs_torch
@needs_proc
def test_one_worker_computes_one_verb_after_another_and_imports_torch_once(panel, shown):
    registerSamplePair(panel)
    worker, first = workerId(panel), panel.session.result.record
    libraries = Path(f"/proc/{worker}/maps").read_text(encoding="utf-8")
    assert "libtorch" in libraries
    press(panel, panel.ui.explainButton, 60)
    press(panel, panel.ui.registerButton, 60)
    assert workerId(panel) == worker and shown == []
    again = panel.session.result.record
    assert again["seconds"]["load"] < first["seconds"]["load"] / 2
    assert [again[key] for key in ("dice", "displacement_mm", "jacobian")] == [
        first[key] for key in ("dice", "displacement_mm", "jacobian")
    ]


@pytest.mark.ci
@needs_torch
@needs_proc
def test_a_cancelled_verb_ends_its_worker_and_the_next_one_works(panel, shown):
    panel.session._verb._installLogic.ensure = lambda: True
    loadSamplePair(panel)
    panel.session.parameterNode.model, panel.session.parameterNode.refine = "hippocampus", 500
    panel.ui.registerButton.click()
    worker = workerId(panel)
    waitUntil(lambda: "Refining" in panel.ui.logText.toPlainText(), 60)
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job and not isAlive(worker), 2)
    assert "Cancelled" in panel.ui.statusLabel.text
    panel.session.parameterNode.refine = 0
    press(panel, panel.ui.registerButton, 60)
    assert panel.session.result is not None and workerId(panel) != worker and shown == []


@needs_torch
@needs_proc
def test_a_worker_killed_in_a_verb_is_one_sentence_and_what_was_there_stays(panel, shown):
    registerSamplePair(panel)
    result, worker = panel.session.result, workerId(panel)
    panel.session.runner.progress.connect(lambda *_: os.kill(worker, signal.SIGKILL) if isAlive(worker) else None)
    press(panel, panel.ui.explainButton)
    [sentence] = shown
    assert "was ended" in sentence and "try again" in sentence
    assert panel.session.result is result and panel.session.result.record["heatmaps"] == []
    assert jobFolders() == [] and panel.ui.explainButton.enabled


@needs_proc
def test_a_worker_that_ended_between_two_verbs_is_not_missed(panel, volumes, worker, shown):
    press(panel, panel.ui.registerButton)
    before = workerId(panel)
    os.kill(before, signal.SIGKILL)
    waitUntil(lambda: panel.session.runner._process is None)
    press(panel, panel.ui.registerButton)
    assert shown == [] and workerId(panel) != before


@needs_proc
@pytest.mark.parametrize("end", ["the scene is closed", "nobody needs it", "the module is closed"])
def test_the_worker_gives_back_its_memory_once(end, module, panel, volumes, worker, monkeypatch):
    import slicer
    from RegExplainLib.GUI.Jobs import JobRunner

    if end == "nobody needs it":
        monkeypatch.setattr(JobRunner, "IDLE_MS", 1)
    press(panel, panel.ui.registerButton)
    process = panel.session.runner._process
    pid = process._groupId if process is not None else None
    if end == "the scene is closed":
        assert isAlive(pid)
        slicer.mrmlScene.Clear(False)
    if end == "the module is closed":
        module.close()
        assert not isAlive(pid)
    waitUntil(lambda: panel.session.runner._process is None and not (pid and isAlive(pid)), 3)


@pytest.mark.ci
@needs_torch
@needs_proc
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "computing"])
def test_no_worker_outlives_a_slicer_that_is_killed(busy, tmp_path):
    """Its standard input ends then; that of an idle one, and of one that computes."""
    from RegExplainLib.GUI.Jobs.WorkerProcess import workerCommand

    pair = [str(SAMPLES / f"{name}.nii.gz") for name in ("fixed", "moving")]
    long = ["register", *pair, "--output", str(tmp_path / "result"), "--model", "hippocampus", "--refine", "500"]
    command = json.dumps([*long, "--progress", "json"]).encode()
    with subprocess.Popen(workerCommand(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n" and b"started" in process.stdout.readline()
        if busy:
            process.stdin.write(command + b"\n")
            process.stdin.flush()
            assert any(b"Refining" in line for line in process.stdout)
        process.stdin.close()
        try:
            process.wait(5)
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []
