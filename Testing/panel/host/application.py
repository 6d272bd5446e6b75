"""`slicer.app` and what the application does with a scripted module: load it, make its widget, enter and leave it."""

import importlib.util
import os
import sys
import tempfile
from types import SimpleNamespace

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

import slicer

from .mrmlwidgets import qMRMLNodeComboBox, qSlicerScriptedLoadableModuleWidget


class ModuleManager:
    def __init__(self):
        self.slots = []

    def module(self, name):
        return getattr(slicer.modules, name.lower(), None)

    def connect(self, signature, slot):
        self._check(signature)
        self.slots.append(slot)

    def disconnect(self, signature, slot):
        self._check(signature)
        self.slots.remove(slot)

    @staticmethod
    def _check(signature):
        if signature != "moduleAboutToBeUnloaded(QString)":
            raise ValueError(f"The stand-in module manager has no signal '{signature}'.")


class Application:
    """Only what the module and Slicer's base classes ask for; anything else is an AttributeError."""

    applicationName = "Slicer stand-in"

    def __init__(self, temporaryPath):
        self.temporaryPath = temporaryPath
        self._moduleManager = ModuleManager()
        self._settings = QSettings(os.path.join(temporaryPath, "settings.ini"), QSettings.IniFormat)
        self.startupSlots = []
        self.layout = None  # a views.LayoutManager, where a test needs views

    def connect(self, signature, slot):
        if signature != "startupCompleted()":
            raise ValueError(f"The stand-in application has no signal '{signature}'.")
        self.startupSlots.append(slot)

    def moduleManager(self):
        return self._moduleManager

    def layoutManager(self):
        return self.layout

    def topLevelWidgets(self):
        return []  # no main window

    def mrmlScene(self):
        return slicer.mrmlScene

    def settings(self):
        return self._settings

    userSettings = settings

    def translate(self, context, text):
        return text

    def testingEnabled(self):
        return True

    def processEvents(self):
        QApplication.processEvents()

    def setOverrideCursor(self, cursor):
        QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self):
        QApplication.restoreOverrideCursor()


class ModuleParent:
    """The C++ module that a scripted module describes itself to; it refuses names that Slicer's does not have."""

    NAMES = (
        "title",
        "categories",
        "dependencies",
        "contributors",
        "helpText",
        "acknowledgementText",
        "icon",
        "hidden",
        "index",
        "associatedNodeTypes",
        "extensions",
    )

    def __init__(self, path, makeWidget):
        self.__dict__.update(path=path, name=moduleName(path), _makeWidget=makeWidget, _widget=None)

    def __setattr__(self, name, value):
        if name not in self.NAMES:
            raise AttributeError(f"A scripted module's parent has no attribute '{name}'.")
        super().__setattr__(name, value)

    def widgetRepresentation(self):
        """The module's panel, made when first asked for."""
        if self._widget is None:
            self.__dict__["_widget"] = self._makeWidget()
        return self._widget

    def discardWidget(self):
        """The widgets are gone at once; what was put off until the next turn of the event loop still comes."""
        if self._widget is not None:
            for selector in self._widget.findChildren(qMRMLNodeComboBox):
                selector._forget()
            self._widget.delete()
        self.__dict__["_widget"] = None


class LoadedModule:
    """A scripted module as the application holds it."""

    def __init__(self, path):
        sys.path[:0] = [] if os.path.dirname(path) in sys.path else [os.path.dirname(path)]
        self.name = moduleName(path)
        self.parent = ModuleParent(path, self._makeWidget)
        setattr(slicer.modules, self.name.lower(), self.parent)
        self.module = getattr(self._importSource(path), self.name)(self.parent)

    def open(self):
        """The user selects the module. Returns its Python widget."""
        parent = self.parent.widgetRepresentation()
        parent.isEntered = True
        parent.self().enter()
        return parent.self()

    def leave(self):
        """The user selects another module."""
        self.parent.widgetRepresentation().self().exit()
        self.parent.widgetRepresentation().isEntered = False

    def close(self):
        """The application closes."""
        for slot in list(slicer.app.moduleManager().slots):
            slot(self.name)
        self.parent.discardWidget()

    def _importSource(self, path):
        spec = importlib.util.spec_from_file_location(self.name, path)
        module = sys.modules[self.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _makeWidget(self):
        parent = qSlicerScriptedLoadableModuleWidget(self._makePythonWidget)
        parent.reload()
        return parent

    def _makePythonWidget(self, parent):
        """From the source as it was last loaded, which the developers' Reload does again."""
        widget = getattr(sys.modules[self.name], self.name + "Widget")(parent)
        setattr(slicer.modules, self.name + "Widget", widget)
        return widget


def moduleName(path):
    return os.path.splitext(os.path.basename(path))[0]


def startApplication() -> SimpleNamespace:
    """Put `slicer.app` in place; the returned object keeps what must outlive the call."""
    folder = tempfile.TemporaryDirectory(prefix="stand-in-")
    slicer.app = Application(folder.name)
    return SimpleNamespace(qt=QApplication.instance() or QApplication(["stand-in"]), folder=folder)
