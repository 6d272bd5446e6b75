"""What the application does not survive in the observers of a node's events."""

import sys
import traceback

import vtk

from .strict import slotErrors


def forbidRemovalInOwnEvent(scene) -> None:
    """Note an error where an observer of a node's event takes that node out of the scene.

    Slicer's C++ goes on with the node after the event, and crashes; here the node lives on, and nothing would show.
    """

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onRemoval(caller, event, node):
        underWay = next((e for who, e in _eventsUnderWay() if who is node), None)
        if underWay is not None:
            where = "".join(traceback.format_stack(sys._getframe(1)))
            slotErrors.append(f"{node.GetName()} was removed inside its own {underWay}:\n{where}")

    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, onRemoval)


def _eventsUnderWay():
    """(caller, event) of the Python observers that are being called."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        values = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
        if code.co_flags & 0x04:  # *args
            values += frame.f_locals.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount]) or ()
        for caller, event in zip(values, values[1:], strict=False):
            if isinstance(caller, vtk.vtkObject) and isinstance(event, str) and event.endswith("Event"):
                yield caller, event
        frame = frame.f_back
