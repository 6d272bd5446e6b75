"""Loads a .ui file with the stand-in classes in place of Qt's, ctk's and Slicer's."""

import sys
import xml.etree.ElementTree as ElementTree

from PySide6.QtCore import QBuffer, QByteArray
from PySide6.QtUiTools import QUiLoader
from shiboken6 import isValid

from .strict import Strict


class UiLoader(QUiLoader):
    """`load(qt.QFile)`, as slicer.util.loadUI calls it.

    A MRML widget gets its scene only where the .ui connects it to the top widget's `mrmlSceneChanged`, as in Slicer, so
    a forgotten connection shows. Other connections in a .ui are refused: none is needed so far.
    """

    _kept: list = []  # PySide6 would delete the Python side of widgets that only C++ holds

    def load(self, file):
        self._kept[:] = [widget for widget in self._kept if isValid(widget)]
        root = ElementTree.fromstring(bytes(file.readAll().data()))
        connections = root.find("connections")
        receivers = [self._mrmlReceiver(connection) for connection in connections if connections is not None]
        if connections is not None:
            root.remove(connections)
        content = QByteArray(ElementTree.tostring(root))  # QBuffer does not keep it
        buffer = QBuffer(content)
        buffer.open(QBuffer.OpenModeFlag.ReadOnly)
        Strict.loadingUi = True
        try:
            widget = QUiLoader.load(self, buffer)
        finally:
            Strict.loadingUi = False
        if widget is None:
            raise RuntimeError(self.errorString())
        if hasattr(widget, "connectMRMLWidgets"):
            widget.connectMRMLWidgets([self._childNamed(widget, name) for name in receivers])
        return widget

    def createWidget(self, className, parent=None, name=""):
        for module in ("qt", "ctk", "slicer"):
            widgetClass = getattr(sys.modules[module], className, None)
            if widgetClass is not None:
                break
        else:
            raise RuntimeError(f"The .ui file asks for {className}, which the stand-in host does not have.")
        widget = widgetClass(parent)
        widget.setObjectName(name)
        self._kept.append(widget)
        return widget

    @staticmethod
    def _mrmlReceiver(connection) -> str:
        signal, slot = connection.findtext("signal"), connection.findtext("slot")
        if (signal, slot) != ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)"):
            raise RuntimeError(f"The stand-in host does not know the .ui connection {signal} -> {slot}.")
        return connection.findtext("receiver")

    def _childNamed(self, widget, name):
        for child in self._kept:
            if child.objectName == name and widget.isAncestorOf(child):
                return child
        raise RuntimeError(f"The .ui connects '{name}', which is not in it.")
