"""Displacement as arrows, a bent grid or contour lines, in slice and 3D views."""

import json
import math

import numpy as np
from slicer.util import NodeModify

from regexplain.errors import BadInputError

from ..Anatomy import Movement, segmentedBounds, tissueOf
from ..ArrowField import arrowField
from ..Conversion import gridOf
from ..NodeExport import segmentMask
from .ColorBar import addColorBar, setTitle, showColorBar
from .Layer import Layer, noDeformationError

COLORS = (  # viridis without its darkest end, which is lost on a dark scan
    *((0.23, 0.32, 0.75), (0.13, 0.57, 0.75), (0.21, 0.72, 0.47), (0.62, 0.85, 0.22), (0.99, 0.91, 0.14)),
)
ARROWS_ACROSS = 20
ARROWS_IN_3D = 400  # the longest: more hide one another
SCALES = (1, 2, 3, 5, 10, 20, 30, 50, 100)
VISIBLE_SHARE = 0.8  # of the way from arrow to arrow: as long as that, one is seen
HIDDEN_SHARE = 0.1  # arrows shorter than this share of the longest are noise to the eye
SHORTEST_MM = 1e-3  # or dots would be drawn where nothing moves
CONTOURS = 5
FORMS = {  # in the order of Slicer's modes
    "arrows": "displacement arrows",
    "grid": "the displacement as a bent grid",
    "contours": "contour lines of the displacement in mm",
}
TOWARDS, SEGMENT, LENGTHS = "RegExplain.Towards", "RegExplain.Segment", "RegExplain.Lengths"


class GlyphLayer(Layer):
    """Arrows between the fixed scan and the aligned moving scan, within the fixed scan's tissue.

    Where 95 % of them would be too short to be seen, all are drawn some round number of times as long, which the colour
    bar says. The 3D view has a display node of its own: the longest, no more than can be told apart.

    Towards "moving" they start at points x of the fixed scan and end where the aligned moving scan has the same tissue,
    x + u(x), u the pull-back displacement after the alignment; towards "fixed" the other way. Slicer draws a transform
    node's ToParent side, so they need a node with arrows on that side. It is for display only: resample with the
    result's `deformation`. Colour is the length in three dimensions, even where a slice shows only the part within it.

    All settings are kept in the nodes.
    """

    key, title, kind = "glyphs", "Displacement arrows", "glyphs"
    roles = ("transform", "colors")

    @property
    def displayNode(self):
        """The vtkMRMLTransformDisplayNode of the slice views, for all settings."""
        return self._displays[0]

    @property
    def displayNode3D(self):
        """That of the 3D views; in scenes that were saved when there was one for all, that one."""
        return self._displays[-1]

    @property
    def _displays(self):
        node = self.node("transform")
        displays = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
        return [display for display in displays if display.IsA("vtkMRMLTransformDisplayNode")]

    @property
    def colors(self):
        """vtkScalarsToColors of lengths in mm."""
        return self.node("colors").GetColorTransferFunction()

    @property
    def maxMm(self):
        """The end of the colour scale."""
        return self.colors.GetRange()[1]

    @property
    def visible(self):
        return self.added and bool(self.displayNode.GetVisibility())

    @property
    def caption(self):
        return FORMS[self.form] + f", drawn {self.scale:g} times as large" * (self.scale != 1)

    @property
    def towards(self):
        return (
            self.node("transform").GetAttribute(TOWARDS) or "moving"
        )  # in scenes that were saved before there was a choice

    def setTowards(self, scan):
        """Let the arrows end in the "moving" or in the "fixed" scan."""
        self._setField(scan, self.segment)

    @property
    def segment(self):
        label = self.node("transform").GetAttribute(SEGMENT)
        return label and int(label)

    def setSegment(self, label):
        """Show the arrows of one segment of the fixed scan, to about a voxel; None for all its tissue.

        For arrows alone: a grid and contour lines would show a step at the border that is not there.
        """
        self._setField(self.towards, label)
        self.setThreshold(self.threshold)

    @property
    def form(self):
        return list(FORMS)[self.displayNode.GetVisualizationMode()]

    def setForm(self, form):
        """ "arrows", "grid" (a regular grid, bent) or "contours" (lines of equal length in mm)."""
        wasArrows = self.form == "arrows"
        for display in self._displays:
            display.SetVisualizationMode(list(FORMS).index(form))
        if wasArrows != (form == "arrows"):
            self._setField(self.towards, self.segment)

    @property
    def spacing(self):
        return self.displayNode.GetGlyphSpacingMm()

    def setSpacing(self, mm):
        """Distance between arrows, and between the lines of the grid."""
        for each in self._displays:
            with NodeModify(each) as display:  # every view works out its arrows once, not after each line
                display.SetGlyphSpacingMm(mm)
                display.SetGlyphDiameterMm(0.25 * mm)
                display.SetGridSpacingMm(mm)
                display.SetGridResolutionMm(mm / 4)
                display.SetGridLineDiameterMm(mm / 15)
                display.SetContourResolutionMm(mm / 4)
        self.setThreshold(self.threshold)

    @property
    def scale(self):
        return self.displayNode.GetGlyphScalePercent() / 100

    def setScale(self, factor):
        """Arrow length, and the grid's bending, over the true one; 1 is true."""
        for each in self._displays:
            with NodeModify(each) as display:
                display.SetGlyphScalePercent(100 * factor)
                display.SetGridScalePercent(100 * factor)
            setTitle(each, "mm" if factor == 1 else f"arrows {factor:g} ×\nmm")

    @property
    def threshold(self):
        return self.displayNode.GetGlyphDisplayRangeMinMm()

    def setThreshold(self, mm):
        """Hide shorter arrows and lower contour lines."""
        shortest = max(mm, SHORTEST_MM)
        levels = [self.maxMm * n / CONTOURS for n in range(1, CONTOURS) if self.maxMm * n / CONTOURS >= mm]
        for each in self._displays:
            with NodeModify(each) as display:
                display.SetGlyphDisplayRangeMinMm(shortest)
                display.SetContourLevelsMmFromString(" ".join(f"{level:g}" for level in levels))
        if self.displayNode3D is not self.displayNode:
            self.displayNode3D.SetGlyphDisplayRangeMinMm(max(shortest, self._shortestIn3D()))

    def prepare(self):
        """Of the arrows' lengths and of their field."""
        if self.resultNodes.deformation is None:
            raise noDeformationError(self.resultNodes.record, "there are no arrows")
        movement, bounds = Movement(self.resultNodes), segmentedBounds(self.resultNodes)

        def make():
            field = arrowField(movement.vectors, movement.geometry, movement.scan.tissue())
            return *lengthsAbout(movement, bounds), field

        return make

    def _build(self, prepared=None):
        lengths, volume, field = prepared or self.prepare()()
        node = self._addNode("vtkMRMLTransformNode", "Displacement arrows (display only)", "transform")
        node.SetAttribute(LENGTHS, json.dumps({"percentiles": lengths, "volume": volume}))
        maxMm = niceCeiling(lengths[-1])
        colors = self._addColors(maxMm)
        for inSlices in (True, False):
            self._addDisplay(colors, maxMm, inSlices)
        for display in self._displays:
            addColorBar(display, self.kind, "mm")
        spacing = self._spacingMm()
        self.setSpacing(spacing)
        self.setScale(next((n for n in SCALES if n * lengths[95] >= VISIBLE_SHARE * spacing), 1))
        self.setThreshold(HIDDEN_SHARE * maxMm)
        self._takeField(field, "moving", None)

    def _addDisplay(self, colors, maxMm, inSlices):
        display = self.scene.AddNewNodeByClass("vtkMRMLTransformDisplayNode")
        display.SetAndObserveColorNodeID(colors.GetID())
        display.SetScalarRange(0, maxMm)
        display.SetAndObserveRegionNode(self._region())
        display.SetGlyphType(display.GLYPH_TYPE_ARROW)
        display.SetGlyphDisplayRangeMaxMm(2 * maxMm)
        display.SetSliceIntersectionThickness(2)
        display.SetVisibility2D(inSlices)
        display.SetVisibility3D(not inSlices)
        display.SetVisualizationMode(list(FORMS).index("arrows"))
        self.node("transform").AddAndObserveDisplayNodeID(display.GetID())

    def _shortestIn3D(self):
        """How long an arrow must be to be among the ARROWS_IN_3D longest; of one segment all are wanted."""
        if self.segment is not None:
            return 0
        storedLengths = json.loads(self.node("transform").GetAttribute(LENGTHS))
        arrows = storedLengths["volume"] / self.spacing**3
        return storedLengths["percentiles"][int(100 * max(0, 1 - ARROWS_IN_3D / arrows))] if arrows else 0

    def _setField(self, towards, segment):
        inside = self._segmentMask(segment) if self.form == "arrows" else None
        deformation = self.resultNodes.deformation
        inverse = deformation.GetTransformFromParent().GetInverse() if towards == "fixed" else None
        self._takeField(arrowField(*gridOf(deformation), inside, inverse), towards, segment)

    def _takeField(self, field, towards, segment):
        node = self.node("transform")
        node.SetAttribute(TOWARDS, towards)
        node.SetAttribute(SEGMENT, None if segment is None else str(segment))
        node.SetAndObserveTransformToParent(field)

    def _segmentMask(self, label):
        """(z, y, x) bool, on the fixed scan's grid; all tissue for None."""
        if label is None:
            return tissueOf(self.resultNodes.fixed)
        segments, name = self.resultNodes.fixedSegmentation, f"Segment_{label}"
        if segments is None or segments.GetSegmentation().GetSegment(name) is None:
            raise BadInputError(f"The fixed scan has no segment {label}; choose another one, or all.")
        return segmentMask(segments, name, self.resultNodes.fixed)

    def _region(self):
        """Where the 3D view has arrows: about what was segmented, else throughout the fixed scan."""
        segmentation = self.resultNodes.fixedSegmentation
        segmented = segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments() > 0
        return segmentation if segmented else self.resultNodes.fixed

    def _addColors(self, maxMm):
        node = self._addNode("vtkMRMLProceduralColorNode", "Displacement (mm)", "colors")
        function = node.GetColorTransferFunction()
        function.RemoveAllPoints()
        for index, color in enumerate(COLORS):
            function.AddRGBPoint(maxMm * index / (len(COLORS) - 1), *color)
        return node

    def _spacingMm(self):
        bounds = [0.0] * 6
        self.resultNodes.fixed.GetRASBounds(bounds)
        return max(high - low for low, high in zip(bounds[::2], bounds[1::2], strict=True)) / ARROWS_ACROSS

    def _setVisible(self, visible):
        for display in self._displays:
            display.SetVisibility(visible)
            showColorBar(display, visible)


def lengthsAbout(movement, bounds):
    """(percentiles 0 to 100 of the displacement in mm, mm³) of the tissue within (3, 2) RAS mm; of all for None."""
    lengths, place = movement.mm()
    low, high = indexBox(movement.scan.bounds() if bounds is None else bounds, place, lengths.shape)
    cell = lengths[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    moved = cell[cell > 0]
    if moved.size == 0:
        return [0.0] * 101, 0.0
    return np.percentile(moved, range(101)).tolist(), float(moved.size * abs(np.linalg.det(place[:3, :3])))


def indexBox(bounds, place, shape):
    """(first, last + 1), (z, y, x) indices of a grid of that (4, 4) index-to-RAS matrix, about a box of (3, 2) mm."""
    corners = np.stack(np.meshgrid(*bounds), axis=-1).reshape(-1, 3)
    index = ((corners - place[:3, 3]) @ np.linalg.inv(place[:3, :3]).T)[:, ::-1]
    low = np.clip(np.floor(index.min(axis=0)), 0, shape).astype(int)
    return low, np.clip(np.ceil(index.max(axis=0)) + 1, 0, shape).astype(int)


def niceCeiling(value):
    """The next number of one digit, at least 0.1: an end of a colour scale that reads well."""
    power = 10.0 ** math.floor(math.log10(max(value, 0.1)))
    return power * max(math.ceil(value / power - 1e-9), 1)
