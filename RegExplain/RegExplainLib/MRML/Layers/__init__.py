"""What explains a registration in the scene's views: arrows, heatmaps, animations. All share `Layer`."""

from regexplain.results.explanations import heatmap_name

from .AnimationLayer import AnimationLayer
from .GlyphLayer import GlyphLayer
from .HeatmapLayer import HeatmapLayer
from .Layer import Layer
from .TrustLayer import TrustLayer

__all__ = ["AnimationLayer", "GlyphLayer", "HeatmapLayer", "Layer", "TrustLayer", "availableLayers"]


def availableLayers(resultNodes):
    """A layer object (added or not) for everything that the result has to show."""
    record = resultNodes.record
    layers = [GlyphLayer(resultNodes)] if resultNodes.deformation else []
    layers += [HeatmapLayer(resultNodes, heatmap_name(heatmap)) for heatmap in record["heatmaps"]]
    layers += [TrustLayer(resultNodes, found["name"]) for found in (record.get("trust") or {"maps": []})["maps"]]
    if resultNodes.fixedSegmentation and record["components"]:
        layers += [AnimationLayer(resultNodes, item["index"]) for item in record["components"]["items"]]
    return layers
