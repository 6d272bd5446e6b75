"""What differs between two scans of one contrast after what moved has been undone. No detector of disease."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..volumes.images import write_image

DIFFERENCE = "changes/difference.nii.gz"
NOISE_SD = 2.0  # of the noise: less is no change


@dataclass(frozen=True)
class Change:
    """A place that is brighter or darker in the moving image. centre_mm: LPS, in the fixed one. difference_sd: mean of
    it, in standard deviations of the noise. place: in words."""

    kind: str
    volume_ml: float
    difference_sd: float
    centre_mm: tuple[float, float, float]
    place: str

    @property
    def record(self) -> dict[str, Any]:
        return vars(self) | {"centre_mm": list(self.centre_mm)}


@dataclass(frozen=True, eq=False)
class Changes:
    """difference: the moving image, matched, less the fixed one, beyond what misplacement explains; in standard
    deviations of the noise, on the fixed grid, float32. places: the largest first. segments: by label, ml that are
    brighter and darker. misplacement: "error map", or the mm that were taken everywhere. drawn: the contrast in which a
    network drew the moving image before it was compared, for two contrasts; None for one."""

    difference: sitk.Image
    noise: float
    misplacement: str | float
    places: list[Change]
    segments: list[dict[str, Any]]
    drawn: str | None = None

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json."""
        return ({} if self.drawn is None else {"drawn": self.drawn}) | {
            "file": DIFFERENCE,
            "noise": self.noise,
            "misplacement": self.misplacement,
            "places": [place.record for place in self.places],
            "segments": self.segments,
        }

    def add_to(self, record: dict[str, Any], folder: Path, aside: Path) -> None:
        """As a part of a result, in place of any earlier one."""
        record["changes"] = self.record
        (aside / "changes").mkdir()
        write_image(self.difference, aside / DIFFERENCE)
