"""How far a registration is expected to be wrong, in each place, as a part of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..motions.lengths import summarise
from ..volumes.content import ANOTHER_CONTRAST
from ..volumes.geometry import Grid, as_closest_lps
from ..volumes.images import write_image
from ..volumes.segmentations import labels_of, names_of
from .landmarks import EXPECTED, enter_expected
from .trust import describe_position

LARGE_MM = 3.0
MIN_MEASURED_MM = 100.0  # the longest side of the smallest images that the bounds were measured on: heads
NOT_MEASURED = (
    "The accuracy of the expected error was measured on heads only, not on such images. Take it as a hint of where to "
    "look, and not as millimetres."
)
LARGE_MEDIAN_MM = 3.0  # of the expected error: from here on fewer than nine errors of ten stayed below the bound
BOUND_NOT_HELD = (
    "Half of this registration is expected to be wrong by {median:.1f} mm or more. Registrations that went so wrong "
    "kept only about eight errors of ten below the bound; mend the registration before relying on these millimetres."
)
STATES = {"estimated": 1, "flat": 2, "missing": 3, "outside": 4}  # in told.nii.gz; 0 is no tissue
STEP_MM = 1 / 64  # of the maps, so that they compress
FILES = {"expected": EXPECTED, "bound90": "error/bound90.nii.gz", "told": "error/told.nii.gz"}
DOUBT = "error/doubt.nii.gz"
WORST_SHARE = 0.02  # of the tissue that has an estimate: the place that is named


def is_like_measured_images(fixed: sitk.Image, record: Mapping[str, Any]) -> bool:
    """Whether it was measured on images like this one, by its size and by what the registration's record says of it: a
    network that knows heads saw one, in whatever contrast, or no model was chosen by what the images show."""
    if Grid.of(fixed).extent.max() < MIN_MEASURED_MM:
        return False
    if "content" in record:
        return (record["content"]["fixed"] or ANOTHER_CONTRAST).startswith(ANOTHER_CONTRAST)
    return (record.get("model") or {}).get("chosen") != "auto"


@dataclass
class ExpectedError:
    """expected, bound90: mm, float32, 0 where there is no estimate; told: uint8, of STATES. All on the fixed grid.

    estimator: {"name", "version", "sha256"}; cell_mm: side of the cells of the estimate.
    doubt: Grad-CAM of the estimator about the worst place, signed. measured: whether the estimator was measured on such
    images.
    """

    expected: sitk.Image
    bound90: sitk.Image
    told: sitk.Image
    estimator: dict[str, str]
    cell_mm: float
    segmentation: sitk.Image | None = None
    doubt: sitk.Image | None = None
    warnings: list[str] = field(default_factory=list)
    measured: bool = True

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json."""
        expected, bound, told = (sitk.GetArrayViewFromImage(i) for i in (self.expected, self.bound90, self.told))
        estimated, tissue = told == STATES["estimated"], max(1, np.count_nonzero(told))
        values = expected[estimated]
        return {
            "estimator": self.estimator,
            "cell_mm": self.cell_mm,
            "measured": self.measured,
            "expected_mm": summarise(values),
            "bound90_mm": summarise(bound[estimated]),
            "share_above_3mm": float((values > LARGE_MM).mean()) if values.size else 0.0,
            "place": self._place(expected, estimated),
            "not_told": {name: float((told == code).sum() / tissue) for name, code in STATES.items() if code > 1},
            "segments": [] if self.segmentation is None else self._segments(expected, bound, estimated),
            "maps": [
                {"name": name, "file": file, "grid": "fixed", "max_abs": largest(getattr(self, name))}
                for name, file in self._files().items()
            ],
            "warnings": self.warnings,
        }

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        """As a part of a result, in place of any earlier one."""
        record["error"] = self.record
        (staging / "error").mkdir()
        for name, file in self._files().items():
            write_image(getattr(self, name), staging / file)
        enter_expected(record, self.expected)

    def _files(self) -> dict[str, str]:
        return FILES if self.doubt is None else FILES | {"doubt": DOUBT}

    def _place(self, expected: np.ndarray, estimated: np.ndarray) -> str:
        """Where the largest errors are expected: a segment, or a part of what the image shows."""
        if not estimated.any():
            return ""
        worst = estimated & (expected >= np.quantile(expected[estimated], 1 - WORST_SHARE))
        if self.segmentation is not None and (name := self._segment_of(worst)):
            return name
        grid = Grid.of(self.expected)
        points, all_points = (grid.world(np.argwhere(where)[:, ::-1]) for where in (worst, estimated))
        axes = as_closest_lps(grid).axes
        along, reach = np.median(points, 0) @ axes, np.percentile(all_points @ axes, [1, 99], axis=0)
        middle, half = reach.mean(0), np.maximum(np.diff(reach, axis=0)[0] / 2, 1e-6)
        return describe_position(((along - middle) / half).tolist(), "image")

    def _segment_of(self, worst: np.ndarray) -> str:
        """The segment that holds most of it; "" where most of it is in none."""
        assert self.segmentation is not None
        labels = sitk.GetArrayViewFromImage(self.segmentation)[worst]
        counts = np.bincount(labels.astype(np.int64))
        if not counts[1:].any() or counts[0] > counts[1:].sum():
            return ""
        label = int(counts[1:].argmax()) + 1
        return names_of(self.segmentation).get(label, f"segment {label}")

    def _segments(self, expected: np.ndarray, bound: np.ndarray, estimated: np.ndarray) -> list[dict[str, Any]]:
        assert self.segmentation is not None
        labels, names = sitk.GetArrayViewFromImage(self.segmentation), names_of(self.segmentation)
        rows = []
        for label in labels_of(self.segmentation):
            inside = labels == label
            both = inside & estimated
            named = {"name": names[label]} if label in names else {}
            told = float(both.sum() / inside.sum())
            values = (
                {"expected_mm": summarise(expected[both]), "bound90_mm": summarise(bound[both])} if both.any() else {}
            )
            rows.append({"label": label} | named | {"told": told} | values)
        return rows


def largest(image: sitk.Image) -> float:
    return float(np.abs(sitk.GetArrayFromImage(image)).max())
