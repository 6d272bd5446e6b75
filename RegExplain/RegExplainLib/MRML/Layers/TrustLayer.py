"""Where an indicator of a registration is bad, as colours over the scan."""

from regexplain.indicators import MAP_TITLES

from .HeatmapLayer import HeatmapLayer
from .Layer import Layer


class TrustLayer(HeatmapLayer):
    """A map of `regexplain trust`: shown as a heatmap is, all of it warm, for it is never below 0."""

    def __init__(self, resultNodes, name):
        Layer.__init__(self, resultNodes)
        self.stage = name
        self._entry = next(
            (e for e in (resultNodes.record.get("trust") or {"maps": []})["maps"] if e["name"] == name), None
        )
        self.key, self.title, self.unit = f"trust {name}", *MAP_TITLES.get(name, (name, ""))
        self.space = self._entry["grid"] if self._entry else "fixed"

    @property
    def method(self):
        return self.unit

    @property
    def pictureTitle(self):
        return self.title

    @property
    def pictureName(self):
        return f"trust-{self.stage}"
