"""Where an indicator of a registration is bad, as colours over the scan."""

from regexplain.results.trust import MAP_TITLES

from .MapLayer import MapLayer
from .RecordedImage import readRecordedImage


class TrustLayer(MapLayer):
    """A map of `regexplain trust`: never below 0, so all of it warm."""

    def __init__(self, resultNodes, name):
        super().__init__(resultNodes)
        self.stage, found = name, resultNodes.record.get("trust") or {"maps": []}
        self._entry = next((entry for entry in found["maps"] if entry["name"] == name), None)
        self.key, self.title, self.unit = f"trust {name}", *MAP_TITLES.get(name, (name, ""))
        self.space = self._entry["grid"] if self._entry else "fixed"

    @property
    def pictureName(self):
        return f"trust-{self.stage}"

    def _image(self):
        return readRecordedImage(self.resultNodes, self._entry, "trust map", "Trust")

    def _scale(self, image):
        return 0.0, self._entry["max_abs"] or 1.0
