"""The numbers of one result, as rows of a study's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..report.sentences import all_warnings
from ..report.verdict import checks
from ..results.registration_result import RegistrationResult
from ..transforms.similarity import ComparedPair

NOT_FIGURES = ("schema_version", "voxel_mm", "heatmaps", "components", "segments", "regions", "views")


def figures(record: Mapping[str, Any]) -> dict[str, float]:
    """Every number of a `result.json` that is one a pair, its name the keys that lead to it: `jacobian_log_sd`."""
    numbers = dict(_numbers({key: value for key, value in record.items() if key not in NOT_FIGURES}))
    for row in (record.get("trust") or {"indicators": []})["indicators"]:
        numbers |= _numbers({key: row[key] for key in ("value", "p95", "worst")}, f"trust_{row['name']}_")
    return numbers


def segment_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a segment, and a structure that the network itself saw (`kind` region)."""
    rows = []
    for kind, key in (("segment", "segments"), ("region", "regions")):
        for segment in record.get(key, ()):
            named = {"kind": kind, "label": segment["label"], "name": segment.get("name", "")}
            rows.append(named | dict(_numbers({k: v for k, v in segment.items() if k != "label"})))
    return rows


def similarity_figures(result: RegistrationResult) -> dict[str, float]:
    """How alike the images are before and after (`transforms/similarity.py`); nothing where they hardly overlap."""
    similarity = ComparedPair(result.fixed, result.moving, result.fixed_mask, result.moving_mask).similarity()
    numbers = {}
    for when, transform in (("before", None), ("after", result.transform.itk())):
        scores = similarity.scores(transform)
        if scores is not None:
            numbers[f"likeness_information_{when}"] = scores.information
            numbers[f"likeness_gradients_{when}"] = scores.gradients
    return numbers


def flagged_checks(record: Mapping[str, Any], voxel_mm: float) -> list[str]:
    """Names of the report's checks that stand out."""
    return [check.name.lower() for check in checks(record, voxel_mm) if check.state in ("look", "stop")]


def warnings(record: Mapping[str, Any]) -> int:
    return len(all_warnings(record))


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}_")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + key, value
