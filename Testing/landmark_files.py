"""Lists of landmarks as other programs write them."""

import json
from pathlib import Path

import numpy as np

SIGN = {"LPS": np.array((1.0, 1.0, 1.0)), "RAS": np.array((-1.0, -1.0, 1.0))}


def write_markups(path: Path, points: np.ndarray, labels=None, system: str = "LPS", **more) -> Path:
    """points: (N, 3), LPS mm. As 3D Slicer writes them, .mrk.json."""
    labels = labels or [f"{path.name.partition('.')[0]}-{n}" for n in range(1, len(points) + 1)]
    controls = [
        {"label": label, "position": position, "positionStatus": "defined"}
        for label, position in zip(labels, (points * SIGN[system]).tolist(), strict=True)
    ]
    markups = {"type": "Fiducial", "coordinateSystem": system, "coordinateUnits": "mm", "controlPoints": controls}
    path.write_text(json.dumps({"markups": [markups | more]}))
    return path
