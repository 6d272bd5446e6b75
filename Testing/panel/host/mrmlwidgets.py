"""Slicer's widgets that follow a MRML scene."""

from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget
from shiboken6 import isValid

import slicer

from .ctk import ctkSliderWidget
from .strict import Strict, keep


class qMRMLWidget(Strict, QWidget):
    mrmlSceneChanged = Signal(object)
    signatures = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def __init__(self, parent=None):
        super().__init__(parent)
        keep(self, _scene=None, _receivers=[])

    def connectMRMLWidgets(self, widgets):
        keep(self, _receivers=widgets)

    def setMRMLScene(self, scene):
        keep(self, _scene=scene)
        for widget in self._receivers:
            widget.setMRMLScene(scene)
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The parent that Slicer gives a module's widget; `makeSelf(parent)` makes the Python widget in it."""

    def __init__(self, makeSelf):
        super().__init__()
        keep(self, _entered=False, _makeSelf=makeSelf, _self=None)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        self.setMRMLScene(slicer.mrmlScene)

    def self(self):
        return self._self

    def reload(self):
        keep(self, _self=self._makeSelf(self))
        self._self.setup()

    isEntered = Property(bool, lambda self: self._entered, lambda self, entered: keep(self, _entered=entered))


class qMRMLNodeComboBox(Strict, QWidget):
    """Picks, creates and deletes a node of the scene; the list follows the scene."""

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeActivated = Signal(object)
    nodeAddedByUser = Signal(object)
    signatures = (
        "currentNodeChanged(vtkMRMLNode*)",
        "currentNodeIDChanged(QString)",
        "nodeActivated(vtkMRMLNode*)",
        "nodeAddedByUser(vtkMRMLNode*)",
    )
    EVENTS = ("NodeAddedEvent", "NodeRemovedEvent", "EndCloseEvent", "EndImportEvent", "EndBatchProcessEvent")

    def __init__(self, parent=None):
        super().__init__(parent)
        comboBox = QComboBox(self)
        comboBox.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)
        comboBox.setMinimumWidth(120)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(comboBox)
        keep(
            self,
            _comboBox=comboBox,
            _scene=None,
            _observers=[],
            _current="",
            _nodeTypes=[],
            _attributes={},
            _baseName="",
            _labels={},
            _filling=False,
            _flags={
                "noneEnabled": False,
                "showChildNodeTypes": True,
                "showHidden": False,
                "addEnabled": True,
                "removeEnabled": True,
                "editEnabled": False,
                "renameEnabled": False,
                "selectNodeUponCreation": True,
            },
            _noneDisplay="None",
        )
        comboBox.currentIndexChanged.connect(self._onPicked)

    def _forget(self):
        """Follow the scene no more: no event loop runs here that would end a widget that was to be deleted later."""
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        keep(self, _observers=[])

    def setMRMLScene(self, scene):
        self._forget()
        keep(self, _scene=scene)
        if scene is not None:
            keep(
                self,
                _observers=[
                    scene.AddObserver(getattr(scene, event), lambda *_: isValid(self) and self._fill())
                    for event in self.EVENTS
                ],
            )
        self._fill()

    def mrmlScene(self):
        return self._scene

    def currentNode(self):
        return self._scene.GetNodeByID(self._current) if self._scene and self._current else None

    def setCurrentNode(self, node):
        self._setCurrentID(node.GetID() if node else "")

    def nodeCount(self):
        return len(self._nodes())

    def addAttribute(self, nodeType, name, value):
        """Only nodes with it are listed, and those made here get it."""
        self._attributes.setdefault(nodeType, {})[name] = value
        self._fill()

    def setNodeTypeLabel(self, label, nodeType):
        self._labels[nodeType] = label

    def nodeTypeLabel(self, nodeType):
        return self._labels.get(nodeType, "node")

    def addNode(self):
        """The user asks for a new one in the menu."""
        node = self._scene.CreateNodeByClass(self._nodeTypes[0])
        node.UnRegister(None)
        for name, value in self._attributes.get(self._nodeTypes[0], {}).items():
            node.SetAttribute(name, value)
        node.SetName(self._scene.GenerateUniqueName(self._baseName))
        self._scene.AddNode(node)
        if self._flags["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        """The user asks for it in the menu."""
        self._scene.RemoveNode(self.currentNode())

    def _setCurrentID(self, nodeID):
        changed = nodeID != self._current
        keep(self, _current=nodeID or "")
        self._fill()
        if changed:
            self._emit()

    def _emit(self):
        self.currentNodeIDChanged.emit(self._current)
        self.currentNodeChanged.emit(self.currentNode())

    def _nodes(self):
        nodes = {}
        for nodeType in self._nodeTypes if self._scene else ():
            found = self._scene.GetNodesByClass(nodeType)
            found.UnRegister(None)
            for index in range(found.GetNumberOfItems()):
                node = found.GetItemAsObject(index)
                exact = node.GetClassName() == nodeType or self._flags["showChildNodeTypes"]
                attributes = self._attributes.get(nodeType, {})
                wanted = all(node.GetAttribute(name) == value for name, value in attributes.items())
                if exact and wanted and (self._flags["showHidden"] or not node.GetHideFromEditors()):
                    nodes[node.GetID()] = node
        return nodes

    def _fill(self):
        nodes, before = self._nodes(), self._current
        if before not in nodes:
            keep(self, _current="" if self._flags["noneEnabled"] or not nodes else next(iter(nodes)))
        keep(self, _filling=True)
        self._comboBox.clear()
        if self._flags["noneEnabled"]:
            self._comboBox.addItem(self._noneDisplay, "")
        for nodeID, node in nodes.items():
            self._comboBox.addItem(node.GetName(), nodeID)
        self._comboBox.setCurrentIndex(self._comboBox.findData(self._current))
        keep(self, _filling=False)
        if self._current != before:
            self._emit()

    def _onPicked(self, index):
        if not self._filling:
            self._setCurrentID(self._comboBox.itemData(index) or "")
            self.nodeActivated.emit(self.currentNode())

    def _setNodeTypes(self, nodeTypes):
        keep(self, _nodeTypes=list(nodeTypes))
        self._fill()

    def _setBaseName(self, name):
        keep(self, _baseName=name)

    def _setNoneDisplay(self, text):
        keep(self, _noneDisplay=text)
        self._fill()

    def _flag(name):
        def write(self, value):
            self._flags[name] = value
            self._fill()

        return Property(bool, lambda self: self._flags[name], write)

    noneEnabled, showChildNodeTypes, showHidden = _flag("noneEnabled"), _flag("showChildNodeTypes"), _flag("showHidden")
    addEnabled, removeEnabled = _flag("addEnabled"), _flag("removeEnabled")
    editEnabled, renameEnabled = _flag("editEnabled"), _flag("renameEnabled")
    selectNodeUponCreation = _flag("selectNodeUponCreation")
    nodeTypes = Property("QStringList", lambda self: self._nodeTypes, _setNodeTypes)
    baseName = Property(str, lambda self: self._baseName, _setBaseName)
    noneDisplay = Property(str, lambda self: self._noneDisplay, _setNoneDisplay)
    currentNodeID = Property(str, lambda self: self._current, _setCurrentID)


class qMRMLSliderWidget(ctkSliderWidget):
    pass


class qMRMLSpinBox(Strict, QWidget):
    pass


class qMRMLRangeWidget(Strict, QWidget):
    pass


def addMrmlWidgets() -> None:
    for widgetClass in (
        qMRMLWidget,
        qSlicerScriptedLoadableModuleWidget,
        qMRMLNodeComboBox,
        qMRMLSliderWidget,
        qMRMLSpinBox,
        qMRMLRangeWidget,
    ):
        setattr(slicer, widgetClass.__name__, widgetClass)
