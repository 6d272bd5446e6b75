"""What explains a registration, in memory: heatmaps and component motions, each knowing its row in result.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import RegExplainError
from ..motions import Motion
from .stages import component_of, usual_scalar

METHODS = {  # as the command line calls them (each a file in attribution/methods/) → as people do
    "grad-cam": "Grad-CAM",
    "hirescam": "HiResCAM",
    "integrated-gradients": "Integrated gradients",
    "occlusion": "Occlusion",
}
SCALARS = ("magnitude", "left", "posterior", "superior")  # of the region's mean displacement, mm: those to choose from
USUAL_METHOD, USUAL_SCALAR = "grad-cam", "magnitude"  # the method also of a row in result.json that names none


def heatmap_name(row: Mapping[str, Any]) -> str:
    """Tells a row of result.json from the others: its stage, and its method and scalar where not the usual ones."""
    method, usual = row.get("method", USUAL_METHOD), usual_scalar(row["stage"])
    scalar = row.get("scalar", usual)
    return row["stage"] + f".{method}" * (method != USUAL_METHOD) + f".{scalar}" * (scalar != usual)


@dataclass
class Heatmap:
    """A signed raw attribution map (float32) on the grid of the image it explains.

    stage: which part of the network, or `coordinate_stage`; grid: "fixed" or "moving"; region: in words; region_label:
    the segment, if one. method: of `METHODS`; scalar: of `SCALARS`, or its stage's own (`stages.SCALARS`); a
    coordinate's map has neither.
    """

    stage: str
    grid: str
    image: sitk.Image
    region: str
    region_label: int | None = None
    method: str = USUAL_METHOD
    scalar: str = USUAL_SCALAR

    @property
    def file(self) -> str:
        return f"heatmaps/{heatmap_name(vars(self))}.nii.gz"

    @property
    def record(self) -> dict[str, Any]:
        how = {"method": self.method, "scalar": self.scalar} if component_of(self.stage) is None else {}
        return {
            "stage": self.stage,
            "file": self.file,
            "grid": self.grid,
            **how,
            "region": self.region,
            "region_label": self.region_label,
            "max_abs": float(np.abs(sitk.GetArrayViewFromImage(self.image)).max()),
        }


@dataclass
class ComponentMotion:
    """What one latent component does about the fixed image: a displacement a strength (LPS mm, pull-back, canvas).

    fixed_sd, moving_sd: where the two volumes stand along it, in standard deviations (SD) of the training population.
    motion: what it does at +1 SD within the anatomy. basis: "pca" or "readable", which its index counts in.
    """

    index: int
    explained_variance: float
    fixed_sd: float
    moving_sd: float
    displacements: dict[float, sitk.Image]
    motion: Motion
    basis: str = "pca"

    @property
    def name(self) -> str:
        return self.motion.name("SD")

    @property
    def words(self) -> str:
        return self.motion.words("SD")

    def file(self, strength: float) -> str:
        return f"components/component-{self.index:02d}/strength{strength:+.2f}.nii.gz"

    @property
    def record(self) -> dict[str, Any]:
        moved = [
            np.linalg.norm(sitk.GetArrayViewFromImage(d), axis=-1).mean() / abs(s)
            for s, d in self.displacements.items()
            if s
        ]
        if not moved:
            raise RegExplainError("A component needs at least one strength other than 0.")
        return {
            "index": self.index,
            "explained_variance": self.explained_variance,
            "fixed_sd": self.fixed_sd,
            "moving_sd": self.moving_sd,
            "mean_mm_per_sd": float(np.mean(moved)),
            "name": self.name,
            "words": self.words,
            "motion": self.motion.record,
            "fields": [{"strength": s, "file": self.file(s)} for s in sorted(self.displacements)],
        }
