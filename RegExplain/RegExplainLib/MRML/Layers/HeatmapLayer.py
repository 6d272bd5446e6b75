"""An attribution map as colours over the scan it belongs to."""

import numpy as np
import SimpleITK as sitk

from regexplain.cards.heatmap_names import heatmap_name
from regexplain.cards.stages import describe_stage
from regexplain.errors import BadInputError
from regexplain.report import captions
from regexplain.report.formatting import percent

from ..Anatomy import Scan
from .MapLayer import MapLayer
from .RecordedImage import readRecordedImage

POSITIVE_ONLY = "RegExplain.PositiveOnly"
REGION_COLOR = (1.0, 1.0, 1.0)
OUTLINE_PIXELS = 2


class HeatmapLayer(MapLayer):
    """A signed map of one stage of the network, with the outline of the region that it was asked about (white).

    stage: `heatmap_name` of its entry: the stage alone for the usual method, Grad-CAM.

    Warm where more of the features there means more of what the map explains (as a rule, displacement of the region),
    cool where less; the colour scale is symmetric about zero. Only the scan's tissue is coloured, and scales the
    colours: heat in air has no anatomy to point at. The colour bar says how much of it is there.
    """

    def __init__(self, resultNodes, stage):
        super().__init__(resultNodes)
        self.stage = stage
        self._entry = next((e for e in resultNodes.record["heatmaps"] if heatmap_name(e) == stage), None)
        self.key, self.title = f"heatmap {stage}", f"Heatmap {self._titleWith(captions.heatmap_settings)}"
        self.space = self._entry["grid"] if self._entry else "fixed"

    @property
    def method(self):
        """As people call it."""
        return captions.method_name(self._entry)

    @property
    def unit(self):
        """The numbers have none."""
        share = self._entry.get("air_share")  # absent in results of earlier versions
        return self.method if share is None else f"{self.method}\n{percent(round(share, 2))} in air"

    @property
    def pictureTitle(self):
        return f"{self.method}, {self._titleWith(captions.direction_suffix)}"

    @property
    def pictureName(self):
        """Of the file, without its ending."""
        return f"heatmap-{self.stage}"

    @property
    def region(self):
        """The vtkMRMLSegmentationNode with the outline of the region; None where all of the image was asked about."""
        return self.node("region")

    @property
    def positiveOnly(self):
        return self.volume.GetAttribute(POSITIVE_ONLY) is not None

    def setPositiveOnly(self, only):
        """Make all that is below zero clear, or not."""
        self.volume.SetAttribute(POSITIVE_ONLY, "yes" if only else None)
        self._fillColors()

    def hottest(self):
        """{"fixed": RAS mm, "moving": RAS mm}: the hottest point in its own scan, and where that lies in the other."""
        point, other = self.hottestPoint(), "moving" if self.space == "fixed" else "fixed"
        return {self.space: point, other: self.resultNodes.pointIn(other, point)}

    def _titleWith(self, words):
        return describe_stage(self._entry["stage"]) + words(self._entry) if self._entry else describe_stage(self.stage)

    def _sceneData(self):
        if self._entry is None:
            raise BadInputError(f"This result has no heatmap of the stage '{self.stage}'; run Explain first.")
        return (Scan(self.resultNodes.node(self.space)),)

    def _image(self, scan):
        image = readRecordedImage(self.resultNodes, self._entry, "heatmap", "Explain")
        masked = sitk.GetImageFromArray(np.where(scan.tissue(), sitk.GetArrayViewFromImage(image), np.float32(0)))
        masked.CopyInformation(image)
        return masked

    def _scale(self, image):
        largest = float(np.abs(sitk.GetArrayViewFromImage(image)).max())
        largest = largest or 1.0  # a heatmap of zeros is possible, a window of none is not
        return -largest, largest

    def _transparent(self, shares):
        return super()._transparent(shares) | (shares < 0 if self.positiveOnly else False)

    def _build(self, *prepared):
        super()._build(*prepared)
        self._addRegion()

    def _addRegion(self):
        segments = self.resultNodes.node(f"{self.space}Segmentation")
        name = f"Segment_{self._entry.get('region_label')}"
        if segments is None or segments.GetSegmentation().GetSegment(name) is None:
            return
        node = self._addNode("vtkMRMLSegmentationNode", f"{self.title} region", "region")
        node.CreateDefaultDisplayNodes()
        node.GetSegmentation().CopySegmentFromSegmentation(segments.GetSegmentation(), name)
        node.GetSegmentation().GetSegment(name).SetColor(REGION_COLOR)
        display = node.GetDisplayNode()
        display.CopyContent(segments.GetDisplayNode())
        display.SetSliceIntersectionThickness(OUTLINE_PIXELS)
        display.SetVisibility3D(False)

    def _setVisible(self, visible):
        super()._setVisible(visible)
        if self.region:
            self.region.SetDisplayVisibility(visible)
