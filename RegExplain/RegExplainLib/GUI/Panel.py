from slicer.util import VTKObservationMixin

import slicer

from .InstallLogic import InstallLogic
from .JobRunner import JobRunner
from .Messages import Messages
from .Sections.AnimateSection import AnimateSection
from .Sections.ExplainSection import ExplainSection
from .Sections.JobSection import JobSection
from .Sections.RegisterSection import RegisterSection
from .Session import Session


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
        self.session = Session(JobRunner(), InstallLogic(messages.ask), messages)
        self._sections = [
            section(ui, self.session) for section in (RegisterSection, JobSection, ExplainSection, AnimateSection)
        ]
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
        self.session.runner.shutDown()
        self._setParameterNode(None)
        self.removeObservers()

    def _setParameterNode(self, parameterNode):
        if self.session.parameterNode is not None:
            self.session.parameterNode.disconnectGui(self._guiTag)
        if parameterNode is not None:
            self._guiTag = parameterNode.connectGui(self.ui)
        self.session.setParameterNode(parameterNode)

    def _onSceneStartClose(self, caller, event):
        self.session.runner.cancel()
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
