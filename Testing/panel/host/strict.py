"""PySide6 classes made as strict as PythonQt's wrappers of the same classes.

A mistake that only shows inside Slicer (`label.text()`, a keyword argument, a state kept on a C++ object, a misspelt
signal) raises here too, so the panel's tests notice it.
"""

import re
import sys
import traceback
from types import MethodType

from PySide6.QtCore import QMetaMethod, QMetaObject, QObject, SignalInstance
from PySide6.QtWidgets import QWidget
from shiboken6 import delete, isValid

slotErrors: list[str] = []
"""Tracebacks of exceptions in slots. Qt swallows them; the tests' fixture reads them and fails."""

_ACCEPTED = {"QString": str, "bool": (bool, int), "int": int, "double": (int, float)}
_HIDDEN_BY_A_METHOD = {("QTimer", "singleShot")}  # a property that PythonQt finds a static method of the same name for


class StrictMeta(type(QObject)):
    """isinstance(widget, qt.QWidget) asks for the Qt class, as the strict classes do not derive from one another."""

    def __instancecheck__(cls, instance):
        return (
            isinstance(instance, cls.__dict__["qtClass"])
            if "qtClass" in cls.__dict__
            else super().__instancecheck__(instance)
        )


class Strict:
    """Attribute access as PythonQt gives it: properties without parentheses, nothing unknown, no keywords."""

    def __init__(self, *arguments):
        super().__init__(*arguments)

    def __getattribute__(self, name):
        if name.startswith("__"):
            return super().__getattribute__(name)
        if name in ("connect", "disconnect"):
            return lambda signature, function: getattr(_signalNamed(self, signature), name)(function)
        if name == "className":
            return lambda: type(self).__name__
        if name == "delete":
            return lambda: delete(self)
        name = "objectName" if name == "name" else name
        if name[0] != "_" and not isValid(self):
            raise ValueError(f"Trying to use '{name}' of a destroyed {type(self).__name__} object")
        if name[0] != "_" and _propertyOf(self, name) is not None and (id(self), name) not in _beingRead:
            return _read(self, name)
        value = super().__getattribute__(name)
        if isinstance(value, SignalInstance):
            return BoundSignal(self, value)
        isOverride = isinstance(value, MethodType) and hasattr(
            QWidget, name
        )  # Qt itself asks for it, and wants a method
        return value if isOverride or isinstance(value, type) or not callable(value) else _asSlot(self, value, name)

    loadingUi = False  # PySide6 then sets every named child as an attribute; Slicer does not, so neither do we

    def __setattr__(self, name, value):
        if Strict.loadingUi:
            return
        name = "objectName" if name == "name" else name
        if not isValid(self):
            raise ValueError(f"Trying to set '{name}' of a destroyed {type(self).__name__} object")
        known = _propertyOf(self, name)
        if known is None or not known.isWritable() or (type(self).__name__, name) in _HIDDEN_BY_A_METHOD:
            raise AttributeError(f"{type(self).__name__} has no property '{name}' that can be set.")
        if not isinstance(value, _ACCEPTED.get(known.typeName(), object)):
            raise AttributeError(f"Property '{name}' of type {known.typeName()} does not accept {value!r}.")
        QObject.setProperty(self, name, value)


def strict(qtClass: type) -> type:
    """The class that stands for `qtClass` in module `qt`."""
    return StrictMeta(qtClass.__name__, (Strict, qtClass), {"qtClass": qtClass})


def keep(instance: QObject, **values) -> None:
    """State of a stand-in class itself, which the strict `__setattr__` would refuse."""
    instance.__dict__.update(values)


class BoundSignal:
    """`widget.clicked`: connect, disconnect, and a call that emits."""

    def __init__(self, owner: QObject, signal: SignalInstance):
        self._owner, self._signal = owner, signal

    def connect(self, function):
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called, so no signal can be connected to it.")
        slot = guarded(function)
        self._slots(function).append(slot)
        self._signal.connect(slot)
        return True

    def disconnect(self, function):
        slots = self._slots(function)
        if not slots:
            return False
        self._signal.disconnect(slots.pop())
        return True

    def emit(self, *values):
        self._signal.emit(*values)

    __call__ = emit

    def _slots(self, function) -> list:
        connections = self._owner.__dict__.setdefault("_connections", {})
        return connections.setdefault((_signatureOf(self._signal), function), [])


def guarded(function):
    """`function` as a slot: given as many values as it takes, its exceptions recorded in `slotErrors`."""
    count = _argumentCount(function)

    def slot(*values):
        try:
            return function(*values[:count])
        except Exception:
            slotErrors.append(traceback.format_exc())
            traceback.print_exc(file=sys.stderr)

    return slot


def _argumentCount(function) -> int | None:
    """How many values PythonQt hands on, defaults included; None for all."""
    target = getattr(function, "__func__", function)
    code = getattr(target, "__code__", None)
    if code is None or code.co_flags & 0x04:  # a C callable, or one taking *args
        return None
    return code.co_argcount - (target is not function)


def _asSlot(instance, method, name):
    """A method that takes no keyword arguments, and may be called, as by a timer, as long as its object lives."""

    def call(*arguments, **keywords):
        if keywords:
            raise ValueError(f"Called {name}() with keyword arguments, but called slot does not support kwargs")
        if not isValid(instance):
            raise ValueError(f"Trying to call '{name}' on a destroyed {type(instance).__name__} object")
        return method(*(getattr(a, "qtClass", a) if isinstance(a, type) else a for a in arguments))

    return call


_beingRead: set[tuple[int, str]] = set()


def _read(instance, name):
    """A property's value. Meanwhile Qt may ask for an override of its getter (`sizeHint`), and wants a method then."""
    _beingRead.add((id(instance), name))
    try:
        return QObject.property(instance, name)
    finally:
        _beingRead.discard((id(instance), name))


def _propertyOf(instance, name):
    meta = QObject.metaObject(instance)
    index = meta.indexOfProperty(name)
    return meta.property(index) if index >= 0 else None


def _signalNamed(instance, signature: str) -> BoundSignal:
    """The signal with exactly this C++ signature."""
    wanted = bytes(QMetaObject.normalizedSignature(signature)).decode()
    name, _, types = wanted.rstrip(")").partition("(")
    if wanted in getattr(
        type(instance), "signatures", ()
    ):  # of a stand-in class, whose C++ types PySide6 does not know
        return BoundSignal(instance, object.__getattribute__(instance, name))
    meta = QObject.metaObject(instance)
    index = meta.indexOfSignal(wanted)
    if index < 0 or meta.method(index).methodType() != QMetaMethod.MethodType.Signal:
        raise ValueError(f"{type(instance).__name__} has no signal '{signature}'.")
    signal = object.__getattribute__(instance, name)
    return BoundSignal(instance, signal if _signatureOf(signal) == wanted else signal[types])


def _signatureOf(signal: SignalInstance) -> str:
    return re.search(r"SignalInstance (\S+) at", repr(signal)).group(1)
