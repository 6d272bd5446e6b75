"""How heatmaps are made and called, by name alone: methods, scalars, and what tells two maps of a result apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .stages import default_scalar

METHODS = {  # as the command line calls them (each a file in attribution/methods/) → as people do
    "grad-cam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "integrated-gradients": "Integrated gradients",
    "occlusion": "Occlusion",
}
SCALARS = ("magnitude", "left", "posterior", "superior")  # of the region's mean displacement, mm: those to choose from
DEFAULT_METHOD, DEFAULT_SCALAR = "grad-cam", "magnitude"  # the method also of a row in result.json that names none


def heatmap_name(row: Mapping[str, Any]) -> str:
    """Tells a row of result.json from the others: its stage, and its method and scalar where not the usual ones."""
    method, usual = row.get("method", DEFAULT_METHOD), default_scalar(row["stage"])
    scalar = row.get("scalar", usual)
    return row["stage"] + f".{method}" * (method != DEFAULT_METHOD) + f".{scalar}" * (scalar != usual)
