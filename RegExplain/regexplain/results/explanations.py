"""What explains a registration, in memory: heatmaps and component motions, each knowing its row in result.json."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..cards.heatmap_names import DEFAULT_METHOD, DEFAULT_SCALAR, heatmap_name
from ..cards.stages import component_of
from ..errors import RegExplainError
from ..motions.motion import Motion
from ..volumes.images import write_image


@dataclass
class Heatmap:
    """A signed raw attribution map (float32) on the grid of the image it explains.

    stage: which part of the network, or `coordinate_stage`; grid: "fixed" or "moving"; region: in words; region_label:
    the segment, if one. method: of `METHODS`; scalar: of `SCALARS`, or its stage's own (`stages.SCALARS`); a
    coordinate's map has neither. air_share: how much of the absolute values lies in air, 0 to 1; None where not known.
    """

    stage: str
    grid: str
    image: sitk.Image
    region: str
    region_label: int | None = None
    method: str = DEFAULT_METHOD
    scalar: str = DEFAULT_SCALAR
    air_share: float | None = None

    @property
    def file(self) -> str:
        return f"heatmaps/{heatmap_name(vars(self))}.nii.gz"

    @property
    def record(self) -> dict[str, Any]:
        how: dict[str, Any] = {"method": self.method, "scalar": self.scalar}
        if component_of(self.stage) is not None:
            how = {}
        if self.air_share is not None:
            how["air_share"] = self.air_share
        return {
            "stage": self.stage,
            "file": self.file,
            "grid": self.grid,
            **how,
            "region": self.region,
            "region_label": self.region_label,
            "max_abs": float(np.abs(sitk.GetArrayViewFromImage(self.image)).max()),
        }


def share_outside(values: np.ndarray, inside: np.ndarray) -> float:
    """How much of the absolute `values` lies where `inside` (bool, of the same shape) is not, 0 to 1."""
    sizes = np.abs(values)
    whole = float(sizes.sum(dtype=np.float64))
    return float(sizes[~inside].sum(dtype=np.float64)) / whole if whole else 0.0


@dataclass
class Heatmaps:
    """Maps as a part of a result: one of the same stage, method and scalar is replaced, the others stay."""

    maps: Sequence[Heatmap]

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        new = {heatmap_name(heatmap.record) for heatmap in self.maps}
        kept = [row for row in record["heatmaps"] if heatmap_name(row) not in new]
        record["heatmaps"] = kept + [heatmap.record for heatmap in self.maps]
        (staging / "heatmaps").mkdir()
        for row in kept:
            shutil.copy(folder / row["file"], staging / row["file"])
        for heatmap in self.maps:
            write_image(heatmap.image, staging / heatmap.file)


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
    def description(self) -> str:
        return self.motion.describe("SD")

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
            "words": self.description,
            "motion": self.motion.record,
            "fields": [{"strength": s, "file": self.file(s)} for s in sorted(self.displacements)],
        }


@dataclass
class ComponentMotions:
    """Motions as a part of a result, in place of any earlier ones."""

    motions: Sequence[ComponentMotion]

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        record["components"] = {
            "basis": self.motions[0].basis,
            "explained_variance": [motion.explained_variance for motion in self.motions],
            "items": [motion.record for motion in self.motions],
        }
        for motion in self.motions:
            for strength, displacement in motion.displacements.items():
                path = staging / motion.file(strength)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(displacement, path)
