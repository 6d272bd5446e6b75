"""Module `qt` as PythonQt has it: every class of Qt under one name, made strict on first use."""

import types

from PySide6 import QtCore, QtGui, QtWidgets

from .strict import guarded, strict
from .uiloader import UiLoader


class QtModule(types.ModuleType):
    def __getattr__(self, name):
        for module in (QtWidgets, QtGui, QtCore):
            if hasattr(module, name):
                value = getattr(module, name)
                break
        else:
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        if isinstance(value, type) and issubclass(value, QtCore.QObject):
            value = strict(value)
        setattr(self, name, value)
        return value


def makeQtModule() -> types.ModuleType:
    module = QtModule("qt")
    module.QUiLoader = UiLoader
    module.QTimer.singleShot = staticmethod(
        lambda milliseconds, slot: QtCore.QTimer.singleShot(milliseconds, guarded(slot))
    )
    return module
