"""Cases of known error, as what is seen in their cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...error_map.features import features
from ...error_map.tell import can_be_told
from ...error_map.truth import KnownCase


@dataclass(frozen=True, eq=False)
class SeenCase:
    """features: (C, d, h, w); error: (d, h, w), cells; told: bool. cell_mm: a cell's side."""

    features: Tensor
    error: Tensor
    told: Tensor
    cell_mm: float
    about: dict[str, str]

    @classmethod
    def of(cls, case: KnownCase) -> SeenCase:
        side = float(case.pair.cells.spacing[0])
        error = torch.from_numpy(case.error).float() / side
        return cls(features(case.pair), error, torch.from_numpy(can_be_told(case.pair)["told"]), side, case.about)

    @classmethod
    def read(cls, path: Path) -> SeenCase:
        """Of a `KnownCase` file. What is seen is kept beside it, and read from there as long as it is newer."""
        kept = path.parent / "seen" / f"{path.stem}.npz"
        if not kept.exists() or kept.stat().st_mtime < path.stat().st_mtime:
            seen = cls.of(KnownCase.load(path))
            kept.parent.mkdir(exist_ok=True)
            entries = np.array([f"{key}={value}" for key, value in seen.about.items()])
            arrays = {"features": seen.features.half(), "error": seen.error, "told": seen.told}
            stored_arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in arrays.items()}
            np.savez(kept, about=entries, cell_mm=seen.cell_mm, **stored_arrays)
        with np.load(kept) as stored:
            about = dict(str(entry).split("=", 1) for entry in stored["about"])
            tensors = (torch.from_numpy(stored[name]) for name in ("features", "error", "told"))
            features, error, told = tensors
            return cls(features.float(), error, told, float(stored["cell_mm"]), about)


def read_cases(folder: Path, part: str) -> Iterator[KnownCase]:
    """In the order of their names."""
    for path in sorted(folder.glob(f"{part}_*.npz")):
        yield KnownCase.load(path)
