"""How far an answer depends on where the pair lies: an uncertainty map for any network (after arXiv 2509.23355)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..volumes.images import write_image
from ..volumes.intensities import tissue_mask

FILE = "equivariance.nii.gz"


@dataclass(frozen=True, eq=False)
class Equivariance:
    """spread: float32, mm, on the fixed image's grid: the root mean square, over the copies, of how far the answer to a
    moved copy of the pair, moved back, lies from the answer itself."""

    spread: sitk.Image
    copies: int
    fixed: sitk.Image

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json; mean and 95th percentile over the tissue of the fixed image."""
        values = sitk.GetArrayFromImage(self.spread)
        inside = values[tissue_mask(self.fixed)]
        return {
            "file": FILE,
            "copies": self.copies,
            "mean_mm": float(inside.mean()),
            "p95_mm": float(np.percentile(inside, 95)),
            "max_abs": float(values.max()),
        }

    def add_to(self, record: dict[str, Any], folder: Path, aside: Path) -> None:
        """As a part of a result, in place of any earlier one."""
        record["equivariance"] = self.record
        write_image(self.spread, aside / FILE)
