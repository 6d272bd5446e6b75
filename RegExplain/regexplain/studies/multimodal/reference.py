"""The usual ranges of the three indicators that `regexplain trust` shows, over ordinary pairs, by its own measures."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...results.trust import KEYS
from ...torch_backend.attribution.fire_targets import FirePair
from ...torch_backend.inference.trust import Indicators, head_mask
from ..sections import Row, Section, centred_canvas
from .pairs import Pair
from .run import Run

TEXT = (
    "The three indicators as regexplain trust measures them, over the ordinary pairs. reference.json holds the "
    "median and the 5th and 95th percentile, for the model's card: outside of these a pair is unusual."
)


def reference(run: Run) -> tuple[dict[str, dict[str, float]], Section]:
    rows: list[Row] = [
        {"pair": pair.name, "source": pair.source, **measure_indicators(run, pair)}
        for pair in run.each("Reference ranges", run.pairs)
    ]
    run.write_table("indicators", rows)
    ranges = {key: reference_range([row[key] for row in rows]) for key in KEYS.values()}
    table = [{"indicator": key, **found} for key, found in ranges.items()]
    return ranges, Section(
        "Reference ranges", TEXT, {}, {run.write_table("reference", table): f"Over {len(rows)} pairs."}
    )


def measure_indicators(run: Run, pair: Pair) -> dict[str, float]:
    d, h, w = pair.fixed.shape[2:]
    canvas = centred_canvas([w, h, d], pair.spacing)
    nothing: Any = None  # the pair is on the canvas already, there are no images to read it from
    fire_pair = FirePair(run.model, nothing, canvas, head_mask(pair.fixed))
    fire_pair.volumes = (pair.fixed, pair.moving)
    found = Indicators(fire_pair)
    values = (found.symmetry()[0], found.complementarity()[0], found.homogeneity()[0])
    names = ("symmetry", "complementarity", "homogeneity")
    return {KEYS[name]: float("nan") if value is None else value for name, value in zip(names, values, strict=True)}


def reference_range(values: list[float]) -> dict[str, float]:
    finite = np.array([value for value in values if np.isfinite(value)])
    median, low, high = np.percentile(finite, (50, 5, 95)) if len(finite) else (float("nan"),) * 3
    return {"median": float(median), "p5": float(low), "p95": float(high)}
