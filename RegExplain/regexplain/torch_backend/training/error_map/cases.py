"""Training cases: the features and the true error of their cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...error_map.cell_masks import cell_masks
from ...error_map.features import features
from ...error_map.ground_truth import GroundTruthCase


@dataclass(frozen=True, eq=False)
class FeatureCase:
    """features: (C, d, h, w); error: (d, h, w), cells; mask: bool, where it can be estimated; cell_mm: their side."""

    features: Tensor
    error: Tensor
    mask: Tensor
    cell_mm: float
    about: dict[str, str]

    @classmethod
    def of(cls, case: GroundTruthCase) -> FeatureCase:
        side = float(case.pair.cells.spacing[0])
        error = torch.from_numpy(case.error).float() / side
        return cls(features(case.pair), error, torch.from_numpy(cell_masks(case.pair)["estimated"]), side, case.about)

    @classmethod
    def read(cls, path: Path) -> FeatureCase:
        """Of a `GroundTruthCase` file. Features are cached beside it, and read from there as long as they are newer."""
        cached = path.parent / "features" / f"{path.stem}.npz"
        if not cached.exists() or cached.stat().st_mtime < path.stat().st_mtime:
            case = cls.of(GroundTruthCase.load(path))
            cached.parent.mkdir(exist_ok=True)
            entries = np.array([f"{key}={value}" for key, value in case.about.items()])
            arrays = {"features": case.features.half(), "error": case.error, "mask": case.mask}
            stored_arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in arrays.items()}
            np.savez(cached, about=entries, cell_mm=case.cell_mm, **stored_arrays)
        with np.load(cached) as stored:
            about = dict(str(entry).split("=", 1) for entry in stored["about"])
            tensors = (torch.from_numpy(stored[name]) for name in ("features", "error", "mask"))
            features, error, mask = tensors
            return cls(features.float(), error, mask, float(stored["cell_mm"]), about)


def read_cases(folder: Path, part: str) -> Iterator[GroundTruthCase]:
    """In the order of their names."""
    for path in sorted(folder.glob(f"{part}_*.npz")):
        yield GroundTruthCase.load(path)
