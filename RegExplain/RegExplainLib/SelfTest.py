"""The module's own test, on the sample pair that ships with it: inside Slicer and on the stand-in host."""

import tempfile
import time
import unittest
from pathlib import Path

import slicer

from .GUI.Install.InstallLogic import TORCH, isMet
from .MRML.Layers import AnimationLayer, GlyphLayer, HeatmapLayer
from .MRML.ResultNodes import ResultNodes

TIMEOUT_S = 300


class SelfTest(unittest.TestCase):
    """What a user does, on the real panel, the real worker and the real scene."""

    def setUp(self):
        slicer.mrmlScene.Clear(False)
        self.widget = slicer.util.getModuleWidget("RegExplain")
        self.widget.enter()
        self.panel = self.widget.panel

    def test_the_panel_opens_and_asks_for_two_volumes(self):
        self.assertFalse(self.panel.ui.registerButton.enabled)
        self.assertIn("volume", self.panel.ui.registerButton.toolTip)
        self.chooseSamplePair()
        self.assertTrue(self.panel.ui.registerButton.enabled)

    def test_register_explain_animate_save_and_reopen(self):
        if not isMet(TORCH):
            self.skipTest(f"{TORCH} is not installed; press Register once in the module to install it.")
        self.chooseSamplePair()
        self.press(self.panel.ui.registerButton)
        result = self.panel.session.result
        self.assertIsNotNone(result, self.panel.ui.statusLabel.text)
        self.assertEqual(result.record["kind"], "deformable")
        self.assertGreater(result.record["dice"]["after"], result.record["dice"]["before"])
        self.press(self.panel.ui.explainButton)
        self.press(self.panel.ui.componentsButton)
        stage = self.panel.session.parameterNode.stage
        for layer in (GlyphLayer(result), HeatmapLayer(result, stage), AnimationLayer(result, 1)):
            self.assertTrue(layer.added, layer.title)
        record = result.record
        self.reopenScene()
        [reopened] = ResultNodes.find(slicer.mrmlScene)
        self.assertEqual(reopened.record, record)
        for layer in (GlyphLayer(reopened), HeatmapLayer(reopened, stage), AnimationLayer(reopened, 1)):
            self.assertTrue(layer.added, layer.title)
        self.assertEqual(self.panel.session.parameterNode.stage, stage)

    def chooseSamplePair(self):
        """Click, and wait until its files are read and chosen, a node a turn."""
        self.panel.ui.samplePairButton.click()
        self.waitUntil(lambda: self.panel.session.parameterNode.movingSegmentation is not None)

    def press(self, button):
        """Start a job and wait until it ends."""
        self.assertTrue(button.enabled, button.toolTip)
        button.click()
        self.waitUntil(lambda: not self.panel.session.job)

    def waitUntil(self, condition):
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, "This takes too long.")
            slicer.app.processEvents()
            time.sleep(0.01)

    def reopenScene(self):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, "scene.mrb"))
            self.assertTrue(slicer.mrmlScene.WriteToMRB(path))
            slicer.mrmlScene.Clear(False)
            self.assertTrue(slicer.mrmlScene.ReadFromMRB(path))


def runSelfTest():
    """Raises AssertionError where a test fails."""
    outcome = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(SelfTest))
    if not outcome.wasSuccessful():
        raise AssertionError(
            "The self-test failed: " + "; ".join(str(test) for test, reason in outcome.failures + outcome.errors)
        )
