from slicer.util import VTKObservationMixin

import slicer

from .InstallLogic import InstallLogic
from .JobRunner import JobRunner
from .Messages import Messages
from .SamplePair import loadSamplePair
from .Sections.ApplySection import ApplySection
from .Sections.ExplainSection import ExplainSection
from .Sections.InputsSection import InputsSection
from .Sections.JobSection import JobSection
from .Sections.LayersSection import LayersSection
from .Sections.MotionsSection import MotionsSection
from .Sections.PartsSection import PartsSection
from .Sections.RegisterSection import RegisterSection
from .Sections.ReportSection import ReportSection
from .Sections.ResultSection import ResultSection
from .Sections.TourSection import TourSection
from .Sections.TransformSection import TransformSection
from .Sections.TrustSection import TrustSection
from .Session import Session
from .Shortcuts import addShortcuts

SECTIONS = (
    InputsSection,
    RegisterSection,
    JobSection,
    TransformSection,
    ResultSection,
    ApplySection,
    ExplainSection,
    MotionsSection,
    PartsSection,
    LayersSection,
    TrustSection,
    ReportSection,
)


class Panel(VTKObservationMixin):
    """The module's panel: its sections over one session, kept in step with the scene.

    ui: the widgets of RegExplain.ui by name. getParameterNode: makes or finds the scene's parameter node.
    """

    def __init__(self, ui, getParameterNode):
        super().__init__()
        self.ui, self._getParameterNode = ui, getParameterNode
        self._guiTag = None
        self._entered = False
        messages = Messages()
        runner = JobRunner()
        self.session = Session(runner, InstallLogic(messages.ask, runner.progress.emit), messages)
        self._sections = [section(ui, self.session) for section in SECTIONS]
        self._tour = TourSection(ui, self.session, loadSamplePair)
        addShortcuts(ui)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self._onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self._onSceneEndImport)
        self.addObserver(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        self._setParameterNode(getParameterNode())

    def enter(self):
        """The user opened the module."""
        self._entered = True
        if self.session.parameterNode is None:
            self._setParameterNode(self._getParameterNode())

    def exit(self):
        """The user went to another module; a running job goes on."""
        self._entered = False

    def cleanup(self):
        """The module is closed or reloaded: no worker and no observer stays."""
        self.session.shutDown()
        self._setParameterNode(None)
        self.removeObservers()

    def _setParameterNode(self, parameterNode):
        if self.session.parameterNode is not None:
            self.session.parameterNode.disconnectGui(self._guiTag)
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
        self.session.setParameterNode(parameterNode)

    def _onSceneStartClose(self, caller, event):
        self.session.cancel()
        self._setParameterNode(None)

    def _onSceneEndClose(self, caller, event):
        if self._entered:
            self._setParameterNode(self._getParameterNode())

    def _onSceneEndImport(self, caller, event):
        # The wrapper read its saved values while the nodes they name were still missing; a new one reads them afresh.
        if self.session.parameterNode is not None:
            self._setParameterNode(self._getParameterNode())

    def _onNodeRemoved(self, caller, event):
        self.session.noticeRemovedNodes()
