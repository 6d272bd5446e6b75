"""Displacement as arrows, a bent grid or contour lines, in slice and 3D views."""

import math

from slicer.util import NodeModify

from regexplain.errors import BadInputError

from ..ArrowField import arrowField
from ..NodeExport import segmentMask
from .Layer import Layer, nothingBent
from .MapLayer import addLegend

COLORS = ((0.23, 0.32, 0.75), (0.13, 0.57, 0.75), (0.21, 0.72, 0.47), (0.62, 0.85, 0.22), (0.99, 0.91, 0.14))
ARROWS_ACROSS = 20
HIDDEN_SHARE = 0.1  # arrows shorter than this share of the longest are noise to the eye
SHORTEST_MM = 1e-3  # or dots would be drawn where nothing moves
CONTOURS = 5
FORMS = {  # in the order of Slicer's modes
    "arrows": "displacement arrows",
    "grid": "the displacement as a bent grid",
    "contours": "contour lines of the displacement in mm",
}
TOWARDS, SEGMENT = "RegExplain.Towards", "RegExplain.Segment"


class GlyphLayer(Layer):
    """Arrows of true length between the fixed scan and the aligned moving scan.

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
        """The vtkMRMLTransformDisplayNode, for all its settings."""
        return self.node("transform").GetNthDisplayNode(0)

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
        """Show the arrows of one segment of the fixed scan, to about a voxel; None for all.

        For arrows alone: a grid and contour lines would show a step at the segment's border that is not there.
        """
        self._setField(self.towards, label)

    @property
    def form(self):
        return list(FORMS)[self.displayNode.GetVisualizationMode()]

    def setForm(self, form):
        """ "arrows", "grid" (a regular grid, bent) or "contours" (lines of equal length in mm)."""
        wasArrows = self.form == "arrows"
        self.displayNode.SetVisualizationMode(list(FORMS).index(form))
        if self.segment is not None and wasArrows != (form == "arrows"):
            self._setField(self.towards, self.segment)

    @property
    def spacing(self):
        return self.displayNode.GetGlyphSpacingMm()

    def setSpacing(self, mm):
        """Distance between arrows, and between the lines of the grid."""
        with NodeModify(self.displayNode) as display:  # every view works out its arrows once, not after each line
            display.SetGlyphSpacingMm(mm)
            display.SetGlyphDiameterMm(0.25 * mm)
            display.SetGridSpacingMm(mm)
            display.SetGridResolutionMm(mm / 4)
            display.SetGridLineDiameterMm(mm / 15)
            display.SetContourResolutionMm(mm / 4)

    @property
    def scale(self):
        return self.displayNode.GetGlyphScalePercent() / 100

    def setScale(self, factor):
        """Arrow length, and the grid's bending, over the true one; 1 is true."""
        with NodeModify(self.displayNode) as display:
            display.SetGlyphScalePercent(100 * factor)
            display.SetGridScalePercent(100 * factor)

    @property
    def threshold(self):
        return self.displayNode.GetGlyphDisplayRangeMinMm()

    def setThreshold(self, mm):
        """Hide shorter arrows and lower contour lines."""
        levels = [self.maxMm * n / CONTOURS for n in range(1, CONTOURS) if self.maxMm * n / CONTOURS >= mm]
        with NodeModify(self.displayNode) as display:
            display.SetGlyphDisplayRangeMinMm(max(mm, SHORTEST_MM))
            display.SetContourLevelsMmFromString(" ".join(f"{level:g}" for level in levels))

    def _build(self):
        result = self.resultNodes
        if result.deformation is None:
            raise nothingBent(result.record, "there are no arrows")
        node = self._addNode("vtkMRMLTransformNode", "Displacement arrows (display only)", "transform")
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        maxMm = niceCeiling(result.record["displacement_mm"]["max"])
        display.SetAndObserveColorNodeID(self._addColors(maxMm).GetID())
        display.SetScalarRange(0, maxMm)
        display.SetAndObserveRegionNode(self._region())
        display.SetGlyphType(display.GLYPH_TYPE_ARROW)
        display.SetGlyphDisplayRangeMaxMm(2 * maxMm)
        display.SetSliceIntersectionThickness(2)
        display.SetVisibility2D(True)
        display.SetVisibility3D(True)
        addLegend(display, "mm", 3).SetPosition(0.03, 0.05)  # a map has the other side
        self.setSpacing(self._spacingMm())
        self.setScale(1)
        self.setThreshold(HIDDEN_SHARE * maxMm)
        display.SetVisualizationMode(list(FORMS).index("arrows"))
        self._setField("moving", None)

    def _setField(self, towards, segment):
        node = self.node("transform")
        inside = self._insideOf(segment) if segment is not None and self.form == "arrows" else None
        node.SetAttribute(TOWARDS, towards)
        node.SetAttribute(SEGMENT, None if segment is None else str(segment))
        node.SetAndObserveTransformToParent(arrowField(self.resultNodes.deformation, towards, inside))

    def _insideOf(self, label):
        """(z, y, x) bool, on the fixed scan's grid."""
        segments, name = self.resultNodes.fixedSegmentation, f"Segment_{label}"
        if segments is None or segments.GetSegmentation().GetSegment(name) is None:
            raise BadInputError(f"The fixed scan has no segment {label}; choose another one, or all.")
        return segmentMask(segments, name, self.resultNodes.fixed)

    def _region(self):
        """Where the 3D view has arrows: about what was segmented, else in the axial slice; a scan full hides all."""
        segmentation = self.resultNodes.fixedSegmentation
        if segmentation is not None and segmentation.GetSegmentation().GetNumberOfSegments() > 0:
            return segmentation
        return self.scene.GetFirstNode(None, "vtkMRMLSliceNode") or self.resultNodes.fixed

    def _addColors(self, maxMm):
        """Viridis without its darkest end, which is lost on a dark scan."""
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
        self.displayNode.SetVisibility(visible)


def niceCeiling(value):
    """The next number of one digit, at least 0.1: an end of a colour scale that reads well."""
    power = 10.0 ** math.floor(math.log10(max(value, 0.1)))
    return power * max(math.ceil(value / power - 1e-9), 1)
