"""Displacement as arrows in slice and 3D views."""

import math

from regexplain.errors import BadInputError

from .. import Conversion
from .Layer import Layer

COLORS = ((0.23, 0.32, 0.75), (0.13, 0.57, 0.75), (0.21, 0.72, 0.47), (0.62, 0.85, 0.22), (0.99, 0.91, 0.14))
ARROWS_ACROSS = 20
HIDDEN_SHARE = 0.1  # arrows shorter than this share of the longest are noise to the eye
GRID_LIMIT_VOXELS = 128**3  # a finer field would only double the scene file: arrows are far apart


class GlyphLayer(Layer):
    """Arrows of true length from points of the fixed scan to where the aligned moving scan has the same tissue.

    The arrow at x is u(x), the pull-back displacement after the alignment. Slicer draws a transform node's ToParent
    side, so the arrows need a node that holds x + u(x) on that side. It is for display only: resample with the result's
    `deformation`. Colour is the length in three dimensions, even where a slice shows only the part within its plane.
    """

    key, title = "glyphs", "Displacement arrows"
    roles = ("transform", "colors")

    @property
    def displayNode(self):
        """The vtkMRMLTransformDisplayNode, for all its settings."""
        return self.node("transform").GetDisplayNode()

    @property
    def colors(self):
        """vtkScalarsToColors of lengths in mm."""
        return self.node("colors").GetColorTransferFunction()

    @property
    def visible(self):
        return self.added and bool(self.displayNode.GetVisibility())

    def setSpacing(self, mm):
        """Distance between arrows."""
        self.displayNode.SetGlyphSpacingMm(mm)

    def setScale(self, factor):
        """Arrow length over true length; 1 is true."""
        self.displayNode.SetGlyphScalePercent(100 * factor)

    def _build(self):
        deformation = self.resultNodes.deformation
        if deformation is None:
            raise BadInputError(
                "This registration is affine only and bent nothing, so there are no arrows; "
                "register with a model that fits the scans."
            )
        colorMaxMm = niceCeiling(self.resultNodes.record["displacement_mm"]["max"])
        node = self._addNode("vtkMRMLTransformNode", "Displacement arrows (display only)", "transform")
        node.SetAndObserveTransformToParent(Conversion.copyOfGrid(deformation, GRID_LIMIT_VOXELS))
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID(self._addColors(colorMaxMm).GetID())
        display.SetAndObserveRegionNode(self._region())
        display.SetVisualizationMode(display.VIS_MODE_GLYPH)
        display.SetGlyphType(display.GLYPH_TYPE_ARROW)
        spacing = self._spacingMm()
        display.SetGlyphSpacingMm(spacing)
        display.SetGlyphDiameterMm(0.25 * spacing)
        display.SetGlyphDisplayRangeMinMm(HIDDEN_SHARE * colorMaxMm)
        display.SetGlyphDisplayRangeMaxMm(1e6)
        display.SetSliceIntersectionThickness(2)
        display.SetVisibility2D(True)
        display.SetVisibility3D(True)

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
