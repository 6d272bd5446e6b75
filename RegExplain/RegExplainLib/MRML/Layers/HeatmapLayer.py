"""An attribution map as colours over the scan it belongs to."""

import numpy as np
import SimpleITK as sitk
import vtk

import slicer
from regexplain.errors import BadInputError
from regexplain.report import wording
from regexplain.results.explanations import heatmap_name
from regexplain.results.stages import stage_words

from .. import Conversion
from .Layer import Layer

LEVELS = 256  # the display pipeline of volumes knows no more
POSITIVE = ((0.55, 0.10, 0.05), (0.95, 0.35, 0.05), (1.00, 0.80, 0.20), (1.00, 1.00, 0.75))
NEGATIVE = ((0.05, 0.15, 0.55), (0.10, 0.40, 0.90), (0.35, 0.75, 1.00), (0.85, 0.97, 1.00))
THRESHOLD, OPACITY = "RegExplain.Threshold", "RegExplain.Opacity"
DEFAULT_THRESHOLD, DEFAULT_OPACITY = 0.25, 0.5


class HeatmapLayer(Layer):
    """A signed map of one stage of the network, as the foreground of the slice views over the scan it belongs to.

    stage: `heatmap_name` of its entry: the stage alone for the usual method, Grad-CAM.

    Warm where more of the features there means more of what the map explains (as a rule, displacement of the region),
    cool where less; the colour scale is symmetric about zero. Values below the threshold in size are clear. The volume
    keeps the raw values.
    """

    roles = ("volume", "colors")

    def __init__(self, resultNodes, stage):
        super().__init__(resultNodes)
        self.stage = stage
        self._entry = next((e for e in resultNodes.record["heatmaps"] if heatmap_name(e) == stage), None)
        self.key, self.title = f"heatmap {stage}", f"Heatmap {self._titleWith(wording.particulars)}"
        self.space = self._entry["grid"] if self._entry else "fixed"

    @property
    def volume(self):
        """The heatmap's vtkMRMLScalarVolumeNode, None before `add()`."""
        return self.node("volume")

    @property
    def colors(self):
        """vtkScalarsToColors of the raw values."""
        table = self.node("colors").CreateLookupTableCopy()
        table.SetTableRange(-self._largest, self._largest)
        return table

    @property
    def method(self):
        """As people call it."""
        return wording.method(self._entry)

    @property
    def pictureTitle(self):
        return f"{self.method}, {self._titleWith(wording.towards)}"

    @property
    def pictureName(self):
        """Of the file, without its ending."""
        return f"heatmap-{self.stage}"

    @property
    def visible(self):
        return self.added and bool(self._composites())

    @property
    def opacity(self):
        return float(self.volume.GetAttribute(OPACITY))

    def setOpacity(self, opacity):
        """0 is clear, 1 hides the scan below."""
        self.volume.SetAttribute(OPACITY, str(opacity))
        for composite in self._composites():
            composite.SetForegroundOpacity(opacity)

    @property
    def threshold(self):
        return float(self.volume.GetAttribute(THRESHOLD))

    def setThreshold(self, share):
        """Make values of less than this share (0-1) of the largest size clear, on both sides of zero."""
        self.volume.SetAttribute(THRESHOLD, str(share))
        _fillColors(self.node("colors"), share)

    def hottestPoint(self):
        """Where the largest value is, RAS mm."""
        array = slicer.util.arrayFromVolume(self.volume)
        k, j, i = np.unravel_index(np.argmax(array), array.shape)
        ijkToRas = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(ijkToRas)
        return np.array(ijkToRas.MultiplyPoint((i, j, k, 1)))[:3]

    @property
    def _largest(self):
        return self._entry["max_abs"] or 1.0  # a heatmap of zeros is possible, a window of none is not

    def _titleWith(self, words):
        return stage_words(self._entry["stage"]) + words(self._entry) if self._entry else stage_words(self.stage)

    def _composites(self):
        """Those of the slice views that show this heatmap."""
        identifier = self.volume.GetID()
        return [c for c in self.resultNodes.sliceComposites() if c.GetForegroundVolumeID() == identifier]

    def _build(self):
        if self._entry is None:
            raise BadInputError(f"This result has no heatmap of the stage '{self.stage}'; run Explain first.")
        folder = self.resultNodes.folder
        path = folder.file(self._entry["file"]) if folder else None
        if path is None:
            raise BadInputError(
                f"The heatmap {self._entry['file']} is missing; open the result folder again, or run Explain again."
            )
        volume = Conversion.addVolume(self.scene, sitk.ReadImage(str(path)), self.scene.GenerateUniqueName(self.title))
        self._adopt(volume, "volume").SetAttribute(OPACITY, str(DEFAULT_OPACITY))
        colors = self._addNode("vtkMRMLColorTableNode", f"{self.title} colors", "colors")
        colors.SetTypeToUser()
        colors.SetNumberOfColors(LEVELS)
        self.setThreshold(DEFAULT_THRESHOLD)
        display = volume.GetDisplayNode()
        display.SetAndObserveColorNodeID(colors.GetID())
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(-self._largest, self._largest)
        _addLegend(display, self.method)

    def _setVisible(self, visible):
        for composite in self.resultNodes.sliceComposites() if visible else self._composites():
            composite.SetForegroundVolumeID(self.volume.GetID() if visible else None)
            composite.SetForegroundOpacity(self.opacity)


def _addLegend(display, title):
    """Slicer shows it wherever it shows the volume."""
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(display)
    legend.SetVisibility(True)
    legend.SetTitleText(title)
    legend.SetNumberOfLabels(3)
    legend.SetLabelFormat("%.2g")
    legend.SetSize(0.1, 0.3)
    legend.SetPosition(0.97, 0.05)


def _fillColors(table, threshold):
    """Cool, clear, warm over values from -1 to 1. Slicer draws an entry of alpha 0 clear and any other opaque."""
    for level in range(LEVELS):
        value = 2 * level / (LEVELS - 1) - 1
        ramp = np.array(POSITIVE if value > 0 else NEGATIVE)
        color = [np.interp(abs(value), np.linspace(0, 1, len(ramp)), channel) for channel in ramp.T]
        table.SetColor(level, f"{value:+.3f}", *color, float(abs(value) >= threshold))
