"""A map of numbers as colours over the scan it belongs to."""

import numpy as np
import vtk

import slicer

from .. import Conversion
from .ColorBar import addColorBar, showColorBar
from .Layer import Layer

LEVELS = 256  # the display pipeline of volumes knows no more
POSITIVE = ((0.55, 0.10, 0.05), (0.95, 0.35, 0.05), (1.00, 0.80, 0.20), (1.00, 1.00, 0.75))
NEGATIVE = ((0.05, 0.15, 0.55), (0.10, 0.40, 0.90), (0.35, 0.75, 1.00), (0.85, 0.97, 1.00))
THRESHOLD, OPACITY = "RegExplain.Threshold", "RegExplain.Opacity"
DEFAULT_OPACITY = 0.5


class MapLayer(Layer):
    """A scalar volume as the foreground of the slice views over its scan, with a colour bar; one map is seen at a time.

    Values below the threshold in size are clear, and 0 always. The volume keeps the raw values. The additional layers
    of Slicer 5.10 and later are left alone: a scene does not save their opacity.

    A subclass sets `unit` (of the colour bar, for people) and writes `_image` and `_scale`, which touch no scene; where
    they need something of it `_sceneData`, where its colours are not cool below zero and warm above `_colorsOf` too.
    """

    kind = "map"
    roles = ("volume", "colors")
    unit = pictureName = ""
    defaultThreshold = 0.25
    labels = 3  # on the colour bar

    @property
    def volume(self):
        """The map's vtkMRMLScalarVolumeNode, None before `add()`."""
        return self.node("volume")

    @property
    def colors(self):
        """vtkScalarsToColors of the raw values."""
        table = self.node("colors").CreateLookupTableCopy()
        table.SetTableRange(*self.range)
        return table

    @property
    def range(self):
        """(lowest, highest) value of the colour bar."""
        display = self.volume.GetDisplayNode()
        return display.GetWindowLevelMin(), display.GetWindowLevelMax()

    @property
    def pictureTitle(self):
        return self.title

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
        """Make clear what is less than this share (0-1) of the end of the scale, on both sides of its middle."""
        self.volume.SetAttribute(THRESHOLD, str(share))
        self._fillColors()

    def updateColorBar(self):
        """Show the colour bar where a view shows the map, side by side or not."""
        composites, identifier = self.resultNodes.nodesByClass("vtkMRMLSliceCompositeNode"), self.volume.GetID()
        shown = any(composite.GetForegroundVolumeID() == identifier for composite in composites)
        showColorBar(self.volume.GetDisplayNode(), shown)

    def hottestPoint(self):
        """Where the largest value is, RAS mm."""
        array = slicer.util.arrayFromVolume(self.volume)
        k, j, i = np.unravel_index(np.argmax(array), array.shape)
        ijkToRas = vtk.vtkMatrix4x4()
        self.volume.GetIJKToRASMatrix(ijkToRas)
        return np.array(ijkToRas.MultiplyPoint((i, j, k, 1)))[:3]

    def prepare(self):
        """Of the values."""
        data = self._sceneData()

        def make():
            image = self._image(*data)
            return Conversion.voxelsOf(image), self._scale(image)

        return make

    def _sceneData(self):
        """What `_image` needs of the scene, a tuple."""
        return ()

    def _image(self, *data):
        """The values as a SimpleITK image. Raises BadInputError where they are not to be had."""
        raise NotImplementedError

    def _scale(self, image):
        """(lowest, highest) value for the colour bar."""
        raise NotImplementedError

    def _colorsOf(self, values, end):
        """(N, 3) colours of (N,) values, and (N,) signed shares of the end of the scale."""
        shares = values / end
        warm, cool = interpolateColors(POSITIVE, np.abs(shares)), interpolateColors(NEGATIVE, np.abs(shares))
        return np.where(shares[:, None] > 0, warm, cool), shares

    def _transparent(self, shares):
        """(N,) bool: which shares of the end of the scale let the scan be seen."""
        return np.abs(shares) < max(self.threshold, 1.5 / LEVELS)  # air has 0, which may lie between two levels

    def _composites(self):
        """Those of the slice views that show this map."""
        identifier = self.volume.GetID()
        return [c for c in self.resultNodes.sliceComposites() if c.GetForegroundVolumeID() == identifier]

    def _build(self, prepared=None):
        voxels, scale = prepared or self.prepare()()
        volume = Conversion.addVolume(self.scene, voxels, self.scene.GenerateUniqueName(self.title))
        self._adopt(volume, "volume").SetAttribute(OPACITY, str(DEFAULT_OPACITY))
        colors = self._addNode("vtkMRMLColorTableNode", f"{self.title} colors", "colors")
        colors.SetTypeToUser()
        colors.SetNumberOfColors(LEVELS)
        display = volume.GetDisplayNode()
        display.SetAndObserveColorNodeID(colors.GetID())
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(*scale)
        self.setThreshold(self.defaultThreshold)
        addColorBar(display, self.kind, self.unit, self.labels)

    def _setVisible(self, visible):
        for composite in self.resultNodes.sliceComposites() if visible else self._composites():
            composite.SetForegroundVolumeID(self.volume.GetID() if visible else None)
            composite.SetForegroundOpacity(self.opacity)
        self.updateColorBar()

    def _fillColors(self):
        """Slicer draws an entry of alpha 0 clear and any other opaque."""
        table, (low, high) = self.node("colors"), self.range
        values = np.linspace(low, high, LEVELS)
        colors, shares = self._colorsOf(values, high)
        modifying = table.StartModify()
        for level, (value, color, clear) in enumerate(zip(values, colors, self._transparent(shares), strict=True)):
            table.SetColor(level, f"{value:.3g}", *color, float(not clear))
        table.EndModify(modifying)


def interpolateColors(ramp, shares):
    """(N, 3) colours at (N,) shares (0-1) of the way along (n, 3) colours."""
    places = np.linspace(0, 1, len(ramp))
    return np.stack([np.interp(shares, places, channel) for channel in np.array(ramp).T], axis=1)
