"""How far the registration is expected to be wrong, as colours over the fixed scan."""

import numpy as np
import SimpleITK as sitk

from .GlyphLayer import niceCeiling
from .MapLayer import MapLayer
from .RecordedImage import readRecordedImage

TITLES = {  # name of a map → (title, unit)
    "expected": ("Expected error", "mm expected"),
    "bound90": ("Bound of nine errors of ten", "mm, 90 % stay below"),
    "doubt": ("Attribution of the expected error", "more error expected"),
}


class ErrorLayer(MapLayer):
    """A map of `regexplain error`. Where nothing can be told, the file has 0 and the layer is clear."""

    defaultThreshold = 0.0

    def __init__(self, resultNodes, name="expected"):
        super().__init__(resultNodes)
        self.stage, found = name, resultNodes.record.get("error") or {"maps": []}
        self._entry = next((entry for entry in found["maps"] if entry["name"] == name), None)
        self.key, (self.title, self.unit) = f"error {name}", TITLES[name]

    @property
    def pictureName(self):
        return f"error-{self.stage}"

    def _image(self):
        return readRecordedImage(self.resultNodes, self._entry, "error map", "Estimate error")

    def _scale(self, image):
        values = sitk.GetArrayViewFromImage(image)
        if self.stage == "doubt":
            end = float(np.abs(values).max()) or 1.0
            return -end, end
        return 0.0, niceCeiling(float(values.max()))
