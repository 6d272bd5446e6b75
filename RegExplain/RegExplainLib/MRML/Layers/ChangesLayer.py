"""What changed between two scans of one contrast, as colours."""

import SimpleITK as sitk

from regexplain.results.changes import NOISE_SD

from .GlyphLayer import niceCeiling
from .MapLayer import MapLayer
from .RecordedImage import readRecordedImage


class ChangesLayer(MapLayer):
    """The map of `regexplain changes`: warm where the moving scan is brighter, cool where it is darker."""

    key, title, unit = "changes", "What changed", "SD of the noise"
    pictureName = key

    @property
    def defaultThreshold(self):
        return NOISE_SD / self.range[1]

    def _image(self):
        return readRecordedImage(self.resultNodes, self.resultNodes.record["changes"], "map", "Find what changed")

    def _scale(self, image):
        values = sitk.GetArrayViewFromImage(image)
        end = niceCeiling(max(float(abs(values.min())), float(values.max()), 2 * NOISE_SD))
        return -end, end
