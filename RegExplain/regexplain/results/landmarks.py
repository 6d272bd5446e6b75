"""How far apart landmarks lie before and after a registration, against what the error map expects there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..landmarks.pairs import FLIP, LandmarkPairs
from ..motions.lengths import summarise
from ..transforms.itk import apply_affine

if TYPE_CHECKING:
    from .registration_result import RegistrationResult

STEPS = ("before", "aligned", "after")
EXPECTED = "error/expected.nii.gz"  # mm, over the fixed image; another verb's
IMPOSSIBLE_MM = 200.0  # no registration of one body is off by that everywhere
SUSPICIOUS_MM, NEARER = 20.0, 0.25  # on average; the share of it that is left in the other coordinates


@dataclass
class LandmarkDistances:
    """distances: by step, (N,) mm in the moving image, between where a fixed landmark is carried and its counterpart.

    "before" is as the headers lie, "aligned" by the alignment alone, "after" by the whole transform. carried: (N, 3)
    where the fixed landmarks are carried, LPS mm in the moving image; carried_back: the moving ones, in the fixed one.
    expected: (N,) mm by the error map at the fixed landmarks, NaN where it cannot tell; None without a map. left_out:
    (N,) mm, "after" where that landmark was not used; None where none was used.
    """

    pairs: LandmarkPairs
    distances: dict[str, np.ndarray]
    carried: np.ndarray
    carried_back: np.ndarray
    expected: np.ndarray | None = None
    left_out: np.ndarray | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def record(self) -> dict[str, Any]:
        """Its part of result.json."""
        rows = []
        for n, label in enumerate(self.pairs.labels):
            row: dict[str, Any] = {"label": label}
            row |= {"fixed": self.pairs.fixed[n].tolist(), "moving": self.pairs.moving[n].tolist()}
            row |= {"carried": self.carried[n].tolist(), "carried_back": self.carried_back[n].tolist()}
            row["distance_mm"] = {step: float(distances[n]) for step, distances in self._steps.items()}
            if self.expected is not None:
                row["expected_mm"] = None if np.isnan(self.expected[n]) else float(self.expected[n])
            rows.append(row)
        spreads = {step: summarise(distances) for step, distances in self._steps.items()}
        return {"pairs": rows, "distance_mm": spreads, "warnings": self.warnings}

    @property
    def _steps(self) -> dict[str, np.ndarray]:
        return self.distances | ({} if self.left_out is None else {"left_out": self.left_out})

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        """As a part of a result, in place of any earlier one."""
        record["landmarks"] = self.record


def measure_landmarks(
    result: RegistrationResult, pairs: LandmarkPairs, folder: Path | None = None
) -> LandmarkDistances:
    """The distances of a result's landmarks. folder: of the finished result, where an error map may be.

    Raises BadInputError where all are so far apart that they cannot be in the same coordinates.
    """
    transform, path = result.transform.itk(), folder and folder / EXPECTED
    carried = mapped(transform, pairs.fixed)
    ends = {"before": pairs.fixed, "aligned": apply_affine(result.transform.alignment, pairs.fixed), "after": carried}
    distances = {step: np.linalg.norm(end - pairs.moving, axis=-1) for step, end in ends.items()}
    if (distances["after"] > IMPOSSIBLE_MM).all():
        raise BadInputError(
            f"All landmarks end more than {IMPOSSIBLE_MM:.0f} mm from their counterparts; most likely one list is in "
            "LPS and the other in RAS, or not in mm."
        )
    return LandmarkDistances(
        pairs,
        distances,
        carried,
        mapped(result.inverse_transform.itk(), pairs.moving),
        None if path is None or not path.is_file() else expected_at(sitk.ReadImage(str(path)), pairs.fixed),
        warnings=[*pairs.warnings, *_misread(transform, pairs, distances["after"]), *_further(distances)],
    )


def enter_landmarks(
    result: RegistrationResult,
    pairs: LandmarkPairs,
    warn: Callable[[str], None],
    left_out: np.ndarray | None = None,
) -> list[str]:
    """Put the distances into the result's record, or warn why they cannot be measured. Returns what they warn of."""
    try:
        distances = measure_landmarks(result, pairs)
    except BadInputError as error:
        warn(str(error))
        return []
    distances.left_out = left_out
    result.record["landmarks"] = distances.record
    return distances.warnings


def mapped(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """(N, 3), where a transform takes (N, 3) points; LPS mm."""
    return np.array([transform.TransformPoint(point.tolist()) for point in points])


def enter_expected(record: dict[str, Any], expected: sitk.Image) -> None:
    """Put what an error map expects beside the landmarks of a record, if any: for a map that is made after them."""
    rows = (record.get("landmarks") or {"pairs": []})["pairs"]
    values = expected_at(expected, np.array([row["fixed"] for row in rows]))
    for row, value in zip(rows, values, strict=True):
        row["expected_mm"] = None if np.isnan(value) else float(value)


def expected_at(expected: sitk.Image, points: np.ndarray) -> np.ndarray:
    """(N,) mm, of the error map at (N, 3) LPS points; NaN outside it and where it is not above 0, which says that it
    cannot be told (NIfTI as ITK reads it has no NaN)."""
    image = sitk.Cast(expected, sitk.sitkFloat32)
    values = []
    for point in points:
        index = np.rint(image.TransformPhysicalPointToContinuousIndex(point.tolist())).astype(int)
        inside = ((index >= 0) & (index < image.GetSize())).all()
        value = image[index.tolist()] if inside else 0.0
        values.append(value if value > 0 else np.nan)
    return np.array(values, float)


def _misread(transform: sitk.Transform, pairs: LandmarkPairs, after: np.ndarray) -> list[str]:
    """Whether one list fits far better where LPS and RAS are exchanged."""
    if after.mean() < SUSPICIOUS_MM:
        return []
    others = {
        "fixed": mapped(transform, pairs.fixed * FLIP) - pairs.moving,
        "moving": mapped(transform, pairs.fixed) - pairs.moving * FLIP,
    }
    for role, difference in others.items():
        mean = np.linalg.norm(difference, axis=-1).mean()
        if mean < NEARER * after.mean():
            return [
                f"With LPS and RAS exchanged in the {role} list its landmarks would end {mean:.1f} mm from their "
                f"counterparts, not {after.mean():.1f} mm; check in which coordinates that list is."
            ]
    return []


def _further(distances: dict[str, np.ndarray]) -> list[str]:
    means = {step: distances[step].mean() for step in STEPS}
    for step, words in (("before", "before anything was moved"), ("aligned", "after the alignment alone")):
        if means["after"] > means[step] + 0.05:  # figures that print alike are no difference
            return [
                f"The landmarks lie further apart than {words}: {means['after']:.1f} mm on average, not "
                f"{means[step]:.1f} mm."
            ]
    return []
