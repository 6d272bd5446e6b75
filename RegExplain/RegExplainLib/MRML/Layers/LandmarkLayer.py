"""Landmarks: lines from where a registration carries a point to where it should be."""

import numpy as np
import vtk

from regexplain.errors import BadInputError

from ..Anatomy import anatomyBounds
from ..Conversion import LPS_TO_RAS
from .Layer import Layer

COLOR = (1.0, 0.30, 1.0)  # no outline's, and on no colour bar
BALL_SHARE = 1 / 60  # radius, of the anatomy's longest side
LINE_PIXELS = 3


class LandmarkLayer(Layer):
    """A line for each landmark that ends in a ball, where the point should be; so long is what it is off.

    On the "fixed" scan it begins where the inverse carries the landmark of the moving scan, on the "moving" scan where
    the transform carries that of the fixed one. A slice shows the balls that lie in it, and all lines as seen through.
    """

    kind = "landmarks"
    roles = ("lines", "balls")

    def __init__(self, resultNodes, space="fixed"):
        super().__init__(resultNodes)
        self.space = space
        self.key = f"landmarks {space}"
        self.title = "Landmarks" if space == "fixed" else "Landmarks on the moving scan"
        self.pictureName = "landmarks" if space == "fixed" else "landmarks-moving"

    @property
    def visible(self):
        return self.added and bool(self.node("lines").GetDisplayVisibility())

    @property
    def caption(self):
        return "landmarks, each with a line from where it was carried"

    def points(self):
        """(carried, wanted): (N, 3) each, RAS mm, the ends of the lines in the order of the record."""
        rows = (self.resultNodes.record.get("landmarks") or {"pairs": []})["pairs"]
        if not rows:
            raise BadInputError("This result has no landmarks; measure some first (section Landmarks).")
        carried = "carried_back" if self.space == "fixed" else "carried"
        toRas = LPS_TO_RAS[:3, :3]
        return tuple(np.array([row[name] for row in rows]) @ toRas for name in (carried, self.space))

    def worstPoint(self):
        """Where the landmark that is furthest off should be, RAS mm."""
        rows = self.resultNodes.record["landmarks"]["pairs"]
        worst = max(range(len(rows)), key=lambda n: rows[n]["distance_mm"]["after"])
        return self.points()[1][worst]

    def _build(self):
        carried, placed = self.points()
        radius = BALL_SHARE * np.ptp(anatomyBounds(self.resultNodes), axis=1).max()
        self._addModel("lines", _lines(carried, placed)).SetSliceDisplayModeToProjection()
        self._addModel("balls", _balls(placed, radius))

    def _addModel(self, role, shape):
        """Its display node."""
        node = self._addNode("vtkMRMLModelNode", f"{self.title} ({role})", role)
        node.SetAndObservePolyData(shape)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetColor(*COLOR)
        display.SetVisibility2D(True)
        display.SetLineWidth(LINE_PIXELS)
        display.SetSliceIntersectionThickness(LINE_PIXELS)
        return display

    def _setVisible(self, visible):
        for role in self.roles:
            self.node(role).SetDisplayVisibility(visible)


def _lines(starts, ends):
    """(N, 3) each, as a vtkPolyData of N lines."""
    points, lines, shape = vtk.vtkPoints(), vtk.vtkCellArray(), vtk.vtkPolyData()
    for start, end in zip(starts, ends, strict=True):
        lines.InsertNextCell(2)
        for point in (start, end):
            lines.InsertCellPoint(points.InsertNextPoint(*point))
    shape.SetPoints(points)
    shape.SetLines(lines)
    return shape


def _balls(centres, radius):
    shapes = vtk.vtkAppendPolyData()
    for centre in centres:
        ball = vtk.vtkSphereSource()
        ball.SetCenter(*centre)
        ball.SetRadius(radius)
        ball.SetThetaResolution(16)
        ball.SetPhiResolution(16)
        ball.Update()
        shapes.AddInputData(ball.GetOutput())
    shapes.Update()
    return shapes.GetOutput()
