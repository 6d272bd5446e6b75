"""How far the network's answer depends on where the pair lies, as colours over the scan."""

from .MapLayer import MapLayer
from .RecordedImage import readRecordedImage


class EquivarianceLayer(MapLayer):
    """The map of `regexplain trust --equivariance`: never below 0, so all of it warm."""

    key, title, unit, space = "equivariance", "Answers to moved copies of the pair", "mm", "fixed"
    pictureName = "equivariance"

    def __init__(self, resultNodes):
        super().__init__(resultNodes)
        self._entry = resultNodes.record["equivariance"]

    def _image(self):
        return readRecordedImage(self.resultNodes, self._entry, "equivariance map", "Trust")

    def _scale(self, image):
        return 0.0, self._entry["max_abs"] or 1.0
