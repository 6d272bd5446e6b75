"""The panel with the real command behind it, on the sample pair that ships with the module."""

import importlib.util

import pytest

from panel.fixtures import press, waitUntil

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@needs_torch
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
    panel.session._installLogic.ensure = lambda: True
    press(panel, panel.ui.registerButton, 60)
    [sentence] = shown
    assert "same value" in sentence and "Traceback" not in sentence


@needs_torch
def test_the_real_worker_is_cancelled_within_two_seconds(panel, volumes):
    panel.ui.registerButton.click()
    waitUntil(lambda: panel.session.runner._process._groupId)
    panel.ui.registerButton.click()
    waitUntil(lambda: not panel.session.job, 2)
    assert "Cancelled" in panel.ui.statusLabel.text


def test_a_transform_made_elsewhere_is_measured_the_right_way_round(panel, shown, monkeypatch, tmp_path):
    """Without torch, and with a temporary folder of spaces and foreign letters. Arrows go from fixed to moving."""
    import vtk

    import slicer

    folder = tmp_path / "Größe 中文 mit Leerzeichen"
    folder.mkdir()
    monkeypatch.setattr(slicer.app, "temporaryPath", str(folder))
    panel.session._installLogic.ensure = lambda: True
    panel.ui.samplePairButton.click()
    node, toParent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Theirs"), vtk.vtkMatrix4x4()
    toParent.SetElement(0, 3, 3.0)  # the moving scan goes 3 mm to the right, to lie on the fixed one
    node.SetMatrixTransformToParent(toParent)
    panel.ui.transformSelector.setCurrentNode(node)
    press(panel, panel.ui.explainTransformButton, 120)
    assert shown == [] and "3.0 mm towards left" in panel.ui.statusLabel.text
    assert panel.session.result.record["segments"][0]["dice"] is not None
    assert panel.ui.reportButton.enabled and panel.ui.segmentTable.rowCount == 2
