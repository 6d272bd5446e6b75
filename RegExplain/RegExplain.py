"""RegExplain in 3D Slicer: why a deep image registration moved what it moved."""

import sys

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

import slicer


class RegExplain(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("RegExplain")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.dependencies = []
        parent.contributors = ["RegExplain contributors"]
        parent.helpText = _(
            "Registers two volumes with a deep network and shows why it moved what it moved: displacement arrows, "
            "Grad-CAM heatmaps, and animations of the network's latent components. Nothing leaves this computer. "
            "Not a medical device: for research only."
        )
        parent.acknowledgementText = _(
            "Latent components: Estienne et al., Exploring Deep Registration Latent Spaces, DART 2021. "
            "Heatmaps: Selvaraju et al., Grad-CAM, ICCV 2017. "
            "The shipped models of the hippocampus were trained on images of the Medical Segmentation Decathlon "
            "(Antonelli et al. 2022, doi 10.1038/s41467-022-30695-9; CC BY-SA 4.0), that of T1 and FLAIR on the label "
            "maps that come with SynthSeg (Billot et al. 2023, doi 10.1016/j.media.2023.102789; Apache 2.0) and on "
            "patients with multiple sclerosis (Lesjak et al. 2016, doi 10.1007/s12021-015-9293-1, and 2017, doi "
            "10.1007/s12021-017-9348-7; CC BY)."
        )
        slicer.app.connect("startupCompleted()", offerSampleData)


def offerSampleData():
    """The pair that ships with the module, in Slicer's module Sample Data."""
    from RegExplainLib.GUI.SamplePair import registerSampleData

    registerSampleData()


class RegExplainWidget(ScriptedLoadableModuleWidget):
    """The panel; its parts are in RegExplainLib/GUI and load with it, not with Slicer."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.logic = self.panel = None

    def setup(self):
        super().setup()
        from RegExplainLib.GUI.Panel import Panel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/RegExplain.ui"))
        self.layout.addWidget(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = RegExplainLogic()
        self.panel = Panel(slicer.util.childWidgetVariables(uiWidget), self.logic.getParameterNode)

    def onReload(self):
        """Developers' Reload: forget the module's own packages too, so that they load afresh."""
        for name in [name for name in sys.modules if name.partition(".")[0] in ("RegExplainLib", "regexplain")]:
            del sys.modules[name]
        super().onReload()

    def enter(self):
        self.panel.enter()

    def exit(self):
        self.panel.exit()

    def cleanup(self):
        if self.panel is not None:
            self.panel.cleanup()
            self.panel = None


class RegExplainLogic(ScriptedLoadableModuleLogic):
    """Only the scene's parameter nodes: the computing is done by `regexplain`, the showing by RegExplainLib/MRML."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.isSingletonParameterNode = False  # a scene may hold several sets of parameters

    def getParameterNode(self):
        """The set that the panel shows, or showed when the scene was saved; any, or a new one, where there is none."""
        from RegExplainLib.GUI.ParameterNode import ParameterNode, markedNodes

        marked = markedNodes()
        return ParameterNode(marked[0] if marked else super().getParameterNode())


class RegExplainTest(ScriptedLoadableModuleTest):
    """Runs RegExplainLib/SelfTest.py, which Testing/slicer and the panel's tests run too."""

    def runTest(self):
        from RegExplainLib.SelfTest import runSelfTest

        runSelfTest()
