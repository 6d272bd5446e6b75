"""A stand-in for Slicer's parameterNodeWrapper with the types and widgets that RegExplain's parameter node uses.

A parameter is written to the vtkMRMLScriptedModuleNode in the same form as Slicer does (text, or a node reference).
"""

import functools
import typing
from dataclasses import dataclass

import ctk
import qt
import vtk

import slicer

__all__ = ["WithinRange", "parameterNodeWrapper"]


@dataclass(frozen=True)
class WithinRange:
    minimum: float
    maximum: float


class Parameter:
    """One typed attribute of the wrapper."""

    def __init__(self, name, annotated, default):
        self.name = name
        self.type = typing.get_args(annotated)[0] if typing.get_origin(annotated) is typing.Annotated else annotated
        self.annotations = {type(a): a for a in typing.get_args(annotated)[1:]} if self.type is not annotated else {}
        self.types = typing.get_args(self.type) or (self.type,)  # several for a union of nodes
        if len(self.types) > 1 and type(None) not in self.types:
            raise TypeError(f"Unable to write value 'None': the union of parameter '{name}' lacks it.")
        self.isNode = issubclass(self.types[0], slicer.vtkMRMLNode)
        self.default = default if default is not None or self.isNode else self.type()

    def __get__(self, wrapper, owner=None):
        if wrapper is None:
            return self
        node = wrapper.parameterNode
        if self.isNode:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.type is bool else self.type(text)

    def __set__(self, wrapper, value):
        self._check(value)
        node = wrapper.parameterNode
        with slicer.util.NodeModify(node):
            node.SetParameter(self.name, "" if self.isNode else str(value))
            if self.isNode:
                node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)

    def _check(self, value):
        accepted = (int, float) if self.type is float else self.types
        if not isinstance(value, accepted) and not (self.isNode and value is None):
            raise TypeError(f"Parameter '{self.name}' is a {self.type}, not {value!r}.")
        limits = self.annotations.get(WithinRange)
        if limits and not limits.minimum <= value <= limits.maximum:
            raise ValueError(
                f"Parameter '{self.name}' must lie within {limits.minimum} and {limits.maximum}, not {value}."
            )


class Connector:
    """Reads and writes the widget of a parameter."""

    def __init__(self, widget, parameter):
        self.widget = widget
        isNode = parameter.isNode and type(widget) is slicer.qMRMLNodeComboBox
        isNumber = (parameter.type in (int, float) and type(widget) in (qt.QDoubleSpinBox, ctk.ctkSliderWidget)) or (
            parameter.type is int and type(widget) is qt.QSpinBox
        )
        isFlag = parameter.type is bool and type(widget) in (qt.QCheckBox, qt.QPushButton)
        if not (isNode or isNumber or isFlag):
            raise RuntimeError(f"Parameter '{parameter.name}' cannot be bound to a {widget.className()}.")
        self.property = "checked" if isFlag else "value"
        if isNode:
            # As in Slicer by making one of each, which an abstract class refuses.
            widget.nodeTypes = [known().GetClassName() for known in parameter.types if known is not type(None)]
            self.read, self.write = widget.currentNode, widget.setCurrentNode
            self.signal = widget.currentNodeChanged
        else:
            self.signal = widget.toggled if isFlag else widget.valueChanged
        limits = parameter.annotations.get(WithinRange)
        if limits is not None:
            widget.minimum, widget.maximum = limits.minimum, limits.maximum

    def read(self):
        return getattr(self.widget, self.property)

    def write(self, value):
        setattr(self.widget, self.property, value)


def parameterNodeWrapper(cls):
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: Parameter(name, hint, getattr(cls, name, None)) for name, hint in hints.items()}
    return type(
        cls.__name__, (ParameterNodeWrapper,), {**parameters, "allParameters": parameters, "__doc__": cls.__doc__}
    )


class ParameterNodeWrapper:
    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._bindings = {}
        self._updating = False
        for name, parameter in self.allParameters.items():
            if not parameterNode.HasParameter(name):
                setattr(self, name, parameter.default)

    def connectGui(self, gui):
        """Bind every widget with a property SlicerParameterName; returns no tag, as in Slicer 5.8."""
        named = ((widget.property("SlicerParameterName"), widget) for widget in vars(gui).values())
        self.connectParametersToGui({name: widget for name, widget in named if name})

    def connectParametersToGui(self, widgets):
        """Bind widgets by parameter; returns a tag for `disconnectGui`."""
        connectors = {name: Connector(widget, self.allParameters[name]) for name, widget in widgets.items()}
        slots = {name: functools.partial(self._fromWidget, name, connector) for name, connector in connectors.items()}
        for name, connector in connectors.items():
            connector.write(getattr(self, name))
            connector.signal.connect(slots[name])
        tag = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._toWidgets(connectors))
        self._bindings[tag] = connectors, slots
        return tag

    def disconnectGui(self, tag):
        if tag in self._bindings:
            connectors, slots = self._bindings.pop(tag)
            self.RemoveObserver(tag)
            for name, connector in connectors.items():
                connector.signal.disconnect(slots[name])

    def _fromWidget(self, name, connector, *values):
        if not self._updating:
            setattr(self, name, connector.read())

    def _toWidgets(self, connectors):
        if self._updating:
            return
        self._updating = True
        try:
            for name, connector in connectors.items():
                connector.write(getattr(self, name))
        finally:
            self._updating = False

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def Modified(self):
        self.parameterNode.Modified()
