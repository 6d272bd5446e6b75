"""What explains a registration in the scene's views: arrows, maps, animations. All share `Layer`."""

from regexplain.cards.heatmap_names import heatmap_name

from .AnimationLayer import AnimationLayer
from .ChangesLayer import ChangesLayer
from .DisplacementLayer import DisplacementLayer
from .EquivarianceLayer import EquivarianceLayer
from .ErrorLayer import TITLES, ErrorLayer
from .GlyphLayer import GlyphLayer
from .HeatmapLayer import HeatmapLayer
from .InverseConsistencyLayer import InverseConsistencyLayer
from .JacobianLayer import JacobianLayer
from .LandmarkLayer import LandmarkLayer
from .Layer import Layer
from .MapLayer import MapLayer
from .PartAnimationLayer import PartAnimationLayer
from .RegistrationAnimationLayer import RegistrationAnimationLayer
from .TrustLayer import TrustLayer
from .WarpLayer import WarpLayer

__all__ = [
    "AnimationLayer",
    "ChangesLayer",
    "DisplacementLayer",
    "EquivarianceLayer",
    "ErrorLayer",
    "GlyphLayer",
    "HeatmapLayer",
    "InverseConsistencyLayer",
    "JacobianLayer",
    "LandmarkLayer",
    "Layer",
    "MapLayer",
    "PartAnimationLayer",
    "RegistrationAnimationLayer",
    "TrustLayer",
    "WarpLayer",
    "availableLayers",
]


def availableLayers(resultNodes):
    """A layer object (added or not) for everything that the result has to show."""
    record = resultNodes.record
    layers = []
    if resultNodes.deformation:
        layers = [GlyphLayer(resultNodes), DisplacementLayer(resultNodes), JacobianLayer(resultNodes)]
        if record.get("inverse_consistency_mm"):
            layers.append(InverseConsistencyLayer(resultNodes))
    layers += [HeatmapLayer(resultNodes, heatmap_name(heatmap)) for heatmap in record["heatmaps"]]
    maps = (entry["name"] for entry in (record.get("error") or {"maps": []})["maps"] if entry["name"] in TITLES)
    layers += [ErrorLayer(resultNodes, name) for name in maps]
    layers += [TrustLayer(resultNodes, entry["name"]) for entry in (record.get("trust") or {"maps": []})["maps"]]
    if record.get("equivariance"):
        layers.append(EquivarianceLayer(resultNodes))
    if record.get("changes"):
        layers.append(ChangesLayer(resultNodes))
    if record.get("landmarks"):
        layers += [LandmarkLayer(resultNodes, space) for space in ("fixed", "moving")]
    return layers + (_animations(resultNodes) if resultNodes.fixedSegmentation else [])


def _animations(resultNodes):
    record = resultNodes.record
    layers = [RegistrationAnimationLayer(resultNodes)] if resultNodes.deformation else []
    if record["components"]:
        layers += [AnimationLayer(resultNodes, item["index"]) for item in record["components"]["items"]]
    parts = (record.get("decomposition") or {"parts": []})["parts"]
    return layers + [PartAnimationLayer(resultNodes, number) for number in range(1, len(parts) + 1)]
