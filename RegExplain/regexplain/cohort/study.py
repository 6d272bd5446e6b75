"""The folder of a study: which pairs are done, which failed, and one run at a time over those that are left."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInputError, Cancelled, disk_errors
from ..progress import Progress
from .engine import outcomes
from .pairs import Pair, Pairs, check_files, voxels_of
from .settings import Installation, Settings, made_with
from .work import DONE, Job, Work

RESULTS, FAILED, LOCK = "results", "failed.tsv", ".lock"


class Study:
    """A folder with a result folder a pair, in `results`, and their tables."""

    def __init__(self, path: Path):
        self.path = path.absolute()  # workers may run in another folder
        self.results = self.path / RESULTS

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For one run at a time; the system opens the lock when a run ends, however it does."""
        from locket import LockError, lock_file

        with disk_errors(self.path):
            self.results.mkdir(parents=True, exist_ok=True)
        try:
            with lock_file(str(self.path / LOCK), timeout=0):
                yield
        except LockError:
            raise BadInputError(
                f"Another run works on {self.path}; wait for its end, or choose another --output."
            ) from None

    def row(self, pair: Pair) -> dict[str, Any] | None:
        """What its worker noted of a pair that is done; None of one that is not."""
        try:
            return json.loads((self.results / pair.id / DONE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def failures(self) -> dict[str, tuple[str, str]]:
        """id → (why, made with), of the last run."""
        try:
            with open(self.path / FAILED, newline="", encoding="utf-8") as stream:
                return {row["id"]: (row["reason"], row["made_with"]) for row in csv.DictReader(stream, delimiter="\t")}
        except (OSError, KeyError):
            return {}

    def note_failures(self, failures: dict[str, tuple[str, str]]) -> None:
        if failures == self.failures() and (self.path / FAILED).exists():
            return  # the page of the group is as old as what it tells of
        partial = self.path / f".{FAILED}"
        with disk_errors(self.path):
            with open(partial, "w", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
                writer.writerow(["id", "reason", "made_with"])
                writer.writerows([name, *told] for name, told in failures.items())
            partial.replace(self.path / FAILED)

    def sweep(self) -> None:
        """Remove what workers left behind that were killed."""
        for left in self.results.glob(".*"):
            shutil.rmtree(left, ignore_errors=True)


@dataclass
class Plan:
    """What a run has to do. failed: id → (why, made with), of pairs that are not tried (again).

    voxels: of both images of each job, as far as their headers tell."""

    jobs: list[Job] = field(default_factory=list)
    done: list[Pair] = field(default_factory=list)
    failed: dict[str, tuple[str, str]] = field(default_factory=dict)
    voxels: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, study: Study, pairs: Pairs, settings: Settings, retry_failed: bool = False) -> Plan:
        """Done is what was made of the same files in the same way."""
        plan, known = cls(), {} if retry_failed else study.failures()
        plan.failed = {name: (why, "") for name, why in pairs.refused}
        installation = Installation.here(settings.model)
        for pair in pairs.usable:
            try:
                plan._add(study, pair, known.get(pair.id, ("", "")), settings, installation)
            except BadInputError as error:
                plan.failed[pair.id] = (str(error), "")
        return plan

    def _add(
        self, study: Study, pair: Pair, before: tuple[str, str], settings: Settings, installation: Installation
    ) -> None:
        check_files(pair)
        made, row = made_with(pair, settings, installation.weights), study.row(pair)
        if row is not None and row["made_with"] == made:
            self.done.append(pair)
        elif before[1] == made:
            self.failed[pair.id] = before
        else:
            self.voxels.append(voxels_of(pair))
            self.jobs.append(Job(pair, settings, installation, study.results / pair.id, made))


def run(study: Study, plan: Plan, client: Any, work: Work, progress: Progress) -> None:
    """Do the plan's jobs, which become done or failed ones. Raises Cancelled, all finished pairs being whole."""
    total, started = len(plan.jobs), time.monotonic()
    count = 0
    try:
        for job, why in outcomes(client, plan.jobs, work):
            count += 1
            if why is None:
                plan.done.append(job.pair)
            else:
                plan.failed[job.pair.id] = (why, job.made_with)
            left = (time.monotonic() - started) / count * (total - count)
            progress.report("Registering", count, total, {"failed": len(plan.failed), "seconds_left": left})
    except KeyboardInterrupt:
        raise Cancelled(
            f"Stopped after {count} of {total} pairs; those are whole, and the same command goes on with the rest."
        ) from None
    finally:
        study.note_failures(plan.failed)
        study.sweep()
