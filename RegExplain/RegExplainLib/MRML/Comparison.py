"""The fixed scan against the moving one in every slice view, in the ways that people judge a registration by eye."""

import numpy as np

import slicer
from regexplain.errors import BadInputError
from regexplain.volumes.contrasts import same_contrast

from . import ComparisonPictures as pictures
from .ComparedView import ComparedView

MODES = ("blend", "checkerboard", "swipe", "flicker", "difference", "two colours", "edges")


class Comparison:
    """What the slice views show instead of their own scans, until `close`, all in the fixed scan's space. It makes no
    node and changes none.

    views: (slice node, render window, function that asks for drawing) of each.
    against: "warpedMoving", or "moving" for the scan as it came. share: of the moving scan in the blend, 0-1.
    fields: of the checkerboard. movingShown: which one flickering shows.
    """

    def __init__(self, resultNodes, views):
        self.resultNodes = resultNodes
        self.mode, self.against = "blend", "warpedMoving"
        self.share, self.fields, self.movingShown, self.linked = 0.5, 8, False, False
        self._views = [ComparedView(*view) for view in views]
        self._swept = {}  # column, by slice node's id
        self._crosshair = resultNodes.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
        self._tag = self._crosshair and self._crosshair.AddObserver(
            slicer.vtkMRMLCrosshairNode.CursorPositionModifiedEvent, self._onMouse
        )
        self.onPoint = lambda fixed, moving: None  # told where the mouse is, RAS mm in both scans

    def update(self):
        """Draw as is set now. Raises BadInputError where that would mislead, and then leaves things as they are."""
        if None in self._volumes:
            raise BadInputError(
                "This result lacks one of the two scans, so they cannot be compared; load the result folder again."
            )
        if self.mode == "difference" and not sameContrast(self.resultNodes.fixed, self.resultNodes.warpedMoving):
            raise BadInputError(
                "The two scans are of different contrasts, so their difference would show the contrast, not the error; "
                "choose Edges or Two colours."
            )
        for view in self._views:
            view.show(self._volumes, self._composing(view))

    def flicker(self):
        """Show the other scan."""
        self.movingShown = not self.movingShown
        self.update()

    def setLinked(self, linked):
        """Whether a cross in all views shows where the moving scan, as it is shown, has the point under the mouse."""
        self.linked = linked
        if not linked:
            for view in self._views:
                view.showCross(None)

    def close(self):
        """The views show their own scans again, and nothing of this stays."""
        if self._crosshair:
            self._crosshair.RemoveObserver(self._tag)
        for view in self._views:
            view.close()
        self._views = []

    @property
    def _volumes(self):
        """The two that are compared; either is None where it is not there."""
        return self.resultNodes.fixed, self.resultNodes.node(self.against)

    def _composing(self, view):
        """A function of two slices that gives the view's picture."""
        name, share, fields, moving = self.mode, self.share, self.fields, self.movingShown
        return {
            "blend": lambda f, m: pictures.blend(f, m, share),
            "checkerboard": lambda f, m: pictures.checkerboard(f, m, fields),
            "swipe": lambda f, m: pictures.swipe(f, m, self._swept.get(view.sliceNode.GetID(), f.shape[1] / 2)),
            "flicker": lambda f, m: pictures.blend(f, m, float(moving)),
            "difference": pictures.difference,
            "two colours": pictures.twoColours,
            "edges": pictures.edges,
        }[name]

    def _onMouse(self, crosshair, event):
        xyz, ras = [0.0] * 3, [0.0] * 3
        under = crosshair.GetCursorPositionXYZ(xyz)
        if under is None or not crosshair.GetCursorPositionRAS(ras):
            return
        if self.mode == "swipe":
            self._sweep(under, xyz[0])
        moving = self.resultNodes.movingPoint(ras)
        if self.linked:
            place = moving if self.against == "moving" else ras
            for view in self._views:
                view.showCross(place)
        self.onPoint(np.array(ras), moving)

    def _sweep(self, under, column):
        for view in self._views:
            if view.sliceNode is under:
                self._swept[under.GetID()] = column
                view.show(self._volumes, self._composing(view))


def sameContrast(fixed, moving):
    """Of two volume nodes on one grid; True where it cannot be told."""
    if fixed is None or moving is None:
        return True
    arrays = [slicer.util.arrayFromVolume(volume) for volume in (fixed, moving)]
    return arrays[0].shape != arrays[1].shape or same_contrast(*arrays)
