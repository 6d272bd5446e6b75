"""One pair, as a worker does it: a result folder that is complete, or absent."""

from __future__ import annotations

import json
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cards.registry import sha256
from ..errors import BadInputError, disk_errors, readable_error
from ..landmarks.pairs import read_pairs
from ..registration import register
from ..report import write_report
from ..results.folder import ResultFolder, ResultPart, replace
from ..results.landmarks import enter_landmarks
from ..results.registration_result import RegistrationResult
from ..transform_explanation import explain_transform
from ..transforms.files import read_any_transform
from ..volumes.images import read_pair
from .figures import figures, flagged_checks, segment_rows, similarity_figures, warnings
from .pairs import Pair
from .settings import Installation, Settings
from .thumbnail import write_thumbnail

DONE = "pair.json"
THUMBNAIL = "thumbnail.jpg"


@dataclass(frozen=True)
class Job:
    """A pair to be done. folder: where its result goes; made_with: what it depends on (`settings.made_with`)."""

    pair: Pair
    settings: Settings
    installation: Installation
    folder: Path
    made_with: str


def pair_record(folder: Path) -> dict[str, Any] | None:
    """`pair.json` of the result folder of a pair; None of one that is not finished."""
    try:
        return json.loads((folder / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


Work = Callable[[Job, Path], dict[str, Any]]  # writes a result folder, not there yet; gives what `pair.json` holds


def attempt(job: Job, work: Work) -> str | None:
    """Do it; None, or in one sentence why that failed. What it made is in place only if it is whole."""
    try:
        job.installation.check(job.settings.model)
        with disk_errors(job.folder.parent):
            aside = Path(tempfile.mkdtemp(prefix=f".{job.folder.name}.", dir=job.folder.parent))
        try:
            result = aside / job.folder.name
            row = work(job, result)
            with disk_errors(job.folder.parent):
                result.mkdir(exist_ok=True)
                (result / DONE).write_text(json.dumps({"made_with": job.made_with} | row), encoding="utf-8")
                replace(result, job.folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except Exception as error:
        traceback.print_exc()
        return str(readable_error(error))
    return None


def register_pair(job: Job, folder: Path) -> dict[str, Any]:
    """The `Work` of a study. Verbs that a result has no answer to leave a note."""
    noticed: list[str] = []
    result = _register(job.pair.files, job.settings, noticed)
    _measure_landmarks(job.pair.files, result, noticed)
    result.record["warnings"] = noticed + result.record["warnings"]
    result.save(folder)
    notes = _add_explanations(folder, result, job.settings)
    write_thumbnail(result, folder / THUMBNAIL)
    record = ResultFolder.open(folder).record
    return {
        "kind": record["kind"],
        "model": (record["model"] or {"name": "none"})["name"],
        "fixed": sha256(folder / "fixed.nii.gz"),
        "verdict": record["verdict"]["name"],
        "look": flagged_checks(record, min(result.fixed.GetSpacing())),
        "warnings": warnings(record),
        "notes": notes,
        "figures": figures(record) | similarity_figures(result),
        "segments": segment_rows(record),
    }


def _register(files: dict[str, str], settings: Settings, noticed: list[str]) -> RegistrationResult:
    images: dict[str, Any] = read_pair(files, warn=noticed.append)
    if "transform" in files:
        return explain_transform(read_any_transform(files["transform"]), **images)
    start = files.get("initial_transform")
    return register(
        **images,
        model=settings.model,
        initial_transform=read_any_transform(start) if start else None,
        refine=settings.refine,
        device=settings.device,
        threads=settings.threads,
    )


def _add_explanations(folder: Path, result: RegistrationResult, settings: Settings) -> list[str]:
    """Add what the settings ask for; a note for each that this result has no answer to."""
    from .. import explanation
    from ..results.explanations import Heatmaps

    run: dict[str, Any] = {"device": settings.device, "threads": settings.threads}
    verbs: dict[str, Callable[[], ResultPart]] = {
        "explain": lambda: Heatmaps(explanation.explain(result, **run)),
        "decompose": lambda: explanation.decompose(result, **run),
        "trust": lambda: explanation.trust(result, **run),
    }
    notes, opened = [], ResultFolder.open(folder)
    for name, verb in verbs.items():
        if getattr(settings, name):
            try:
                opened.add(verb())
            except BadInputError as error:
                notes += [str(error)] if str(error) not in notes else []
    write_report(opened)
    return notes


def _measure_landmarks(files: dict[str, str], result: RegistrationResult, noticed: list[str]) -> None:
    """Enter their distances, if there are any, in the record; why they cannot be, as a warning."""
    paths = {role: Path(path) if (path := files.get(f"{role}_landmarks")) else None for role in ("fixed", "moving")}
    points = read_pairs(paths, result.fixed, result.moving)
    if points is not None:
        enter_landmarks(result, points, noticed.append)
