from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

import slicer

from ..MRML.CustomLayout import leaveUnknownLayout
from .Install.InstallLogic import InstallLogic
from .Jobs.JobRunner import JobRunner
from .Messages import Messages
from .ParameterNode import ParameterNode, isBlank, mark, markedNodes
from .SamplePair import loadSamplePair
from .Sections.ApplySection import ApplySection
from .Sections.ChangesSection import ChangesSection
from .Sections.CompareSection import CompareSection
from .Sections.ExplainSection import ExplainSection
from .Sections.InputsSection import InputsSection
from .Sections.JobSection import JobSection
from .Sections.LandmarksSection import LandmarksSection
from .Sections.LayersSection import LayersSection
from .Sections.MotionsSection import MotionsSection
from .Sections.PartsSection import PartsSection
from .Sections.RegisterSection import RegisterSection
from .Sections.ReportSection import ReportSection
from .Sections.ResultLayoutSection import ResultLayoutSection
from .Sections.ResultSection import ResultSection
from .Sections.SectionOpener import SectionOpener
from .Sections.TourSection import TourSection
from .Sections.TransformSection import TransformSection
from .Sections.TrustSection import TrustSection
from .Sections.VideoSection import VideoSection
from .Session import Session
from .Shortcuts import addShortcuts

SECTIONS = (
    InputsSection,
    RegisterSection,
    JobSection,
    TransformSection,
    ResultSection,
    ResultLayoutSection,
    ApplySection,
    ExplainSection,
    MotionsSection,
    VideoSection,
    PartsSection,
    LayersSection,
    CompareSection,
    ChangesSection,
    LandmarksSection,
    TrustSection,
    ReportSection,
)

PARAMETERS = "vtkMRMLScriptedModuleNode"


class Panel(VTKObservationMixin):
    """The module's panel: its sections over one session, kept in step with the scene.

    ui: the widgets of RegExplain.ui by name. getParameterNode: finds the parameter node to show, or makes one.
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
        self._opener = SectionOpener(ui)
        self._tour = TourSection(ui, self.session, self._opener, loadSamplePair)
        self.session.added.connect(lambda: self._opener.open(["result", "explain"]))
        addShortcuts(ui)
        self._setUpSelector(ui.parameterSetSelector)
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
        self.session.left.emit()

    def cleanup(self):
        """The module is closed or reloaded: no worker and no observer stays."""
        self.session.left.emit()
        self.session.shutDown()
        self._setParameterNode(None)
        self.removeObservers()

    def _setUpSelector(self, selector):
        selector.addAttribute(PARAMETERS, "ModuleName", "RegExplain")
        selector.setNodeTypeLabel(_("parameter set"), PARAMETERS)
        for signal in ("nodeActivated(vtkMRMLNode*)", "nodeAddedByUser(vtkMRMLNode*)"):
            selector.connect(signal, self._onSetPicked)

    def _setParameterNode(self, parameterNode):
        if self.session.parameterNode is not None:
            self.session.parameterNode.disconnectGui(self._guiTag)
        if parameterNode is not None:
            mark(parameterNode.parameterNode)
            # Slicer 5.8's connectGui does not return its tag (Slicer/Slicer#7547): every set would follow the widgets.
            self._guiTag = parameterNode.connectParametersToGui(self._boundWidgets())
        self.session.setParameterNode(parameterNode)
        if parameterNode is not None:
            self.ui.parameterSetSelector.setCurrentNode(parameterNode.parameterNode)

    def _boundWidgets(self):
        """By the name of their parameter."""
        named = ((widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values())
        return {name: widget for name, widget in named if name}

    def _onSetPicked(self, node):
        shown = self.session.parameterNode
        if shown is not None and node is not None and node is not shown.parameterNode:
            with self.session.selection.updatingViews():
                self._setParameterNode(ParameterNode(node))

    def _onSceneStartClose(self, caller, event):
        self.session.left.emit()
        self.session.cancel()
        self.session.runner.releaseWorker()
        self._setParameterNode(None)

    def _onSceneEndClose(self, caller, event):
        if self._entered:
            self._setParameterNode(self._getParameterNode())

    def _onSceneEndImport(self, caller, event):
        leaveUnknownLayout(caller)
        if self.session.parameterNode is None:
            return
        before = self.session.parameterNode
        came = [node for node in markedNodes() if node is not before.parameterNode]
        if came and isBlank(before):  # it was made for an empty scene
            self._setParameterNode(ParameterNode(came[0]))
            caller.RemoveNode(before.parameterNode)
        else:
            self._setParameterNode(ParameterNode(before.parameterNode))

    def _onNodeRemoved(self, caller, event):
        shown = self.session.parameterNode
        if shown is not None and shown.parameterNode.GetScene() is None:
            with self.session.selection.updatingViews():
                self._setParameterNode(self._getParameterNode())
        self.session.selection.updateAfterRemoval()
