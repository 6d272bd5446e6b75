"""The folder of a study: which pairs are done, which failed, and one run at a time over those that are left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInputError, Cancelled, disk_errors
from ..progress import Progress
from ..results.tables import read_tsv, write_tsv
from .engine import outcomes
from .pairs import Pair, Pairs, check_files, voxels_of
from .settings import Installation, Settings, made_with
from .work import Job, Work, pair_record

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

    def pair_record(self, pair: Pair) -> dict[str, Any] | None:
        """`pair.json` of a pair that is done; None of one that is not."""
        return pair_record(self.results / pair.id)

    def failures(self) -> dict[str, tuple[str, str]]:
        """id → (reason, checksum of its inputs), of the last run."""
        try:
            return {row["id"]: (row["reason"], row["made_with"]) for row in read_tsv(self.path / FAILED)}
        except (OSError, KeyError):
            return {}

    def write_failures(self, failures: dict[str, tuple[str, str]]) -> None:
        if failures == self.failures() and (self.path / FAILED).exists():
            return  # so that the page is made anew only where something changed
        rows = [{"id": name, "reason": reason, "made_with": made} for name, (reason, made) in failures.items()]
        partial = self.path / f".{FAILED}"
        with disk_errors(self.path):
            write_tsv(partial, ["id", "reason", "made_with"], rows)
            partial.replace(self.path / FAILED)

    def remove_partial(self) -> None:
        """Remove unfinished result folders of workers that were killed."""
        for partial in self.results.glob(".*"):
            shutil.rmtree(partial, ignore_errors=True)


@dataclass
class Plan:
    """What a run has to do. failed: id → (reason, checksum of its inputs), of pairs that are not tried (again).

    voxels: of both images of each job, as far as their headers tell."""

    jobs: list[Job] = field(default_factory=list)
    done: list[Pair] = field(default_factory=list)
    failed: dict[str, tuple[str, str]] = field(default_factory=dict)
    voxels: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, study: Study, pairs: Pairs, settings: Settings, retry_failed: bool = False) -> Plan:
        """Done is what was made of the same files in the same way."""
        plan, failures = cls(), {} if retry_failed else study.failures()
        plan.failed = {name: (reason, "") for name, reason in pairs.refused}
        installation = Installation.here(settings.model)
        for pair in pairs.usable:
            try:
                plan._add(study, pair, failures.get(pair.id, ("", "")), settings, installation)
            except BadInputError as error:
                plan.failed[pair.id] = (str(error), "")
        return plan

    def _add(
        self, study: Study, pair: Pair, last_failure: tuple[str, str], settings: Settings, installation: Installation
    ) -> None:
        check_files(pair)
        checksum, record = made_with(pair, settings, installation.weights), study.pair_record(pair)
        if record is not None and record["made_with"] == checksum:
            self.done.append(pair)
        elif last_failure[1] == checksum:
            self.failed[pair.id] = last_failure
        else:
            self.voxels.append(voxels_of(pair))
            self.jobs.append(Job(pair, settings, installation, study.results / pair.id, checksum))


def run(study: Study, plan: Plan, client: Any, work: Work, progress: Progress) -> None:
    """Do the plan's jobs, which become done or failed ones. Raises Cancelled, all finished pairs being whole."""
    total, start = len(plan.jobs), time.monotonic()
    count = 0
    try:
        for job, reason in outcomes(client, plan.jobs, work):
            count += 1
            if reason is None:
                plan.done.append(job.pair)
            else:
                plan.failed[job.pair.id] = (reason, job.made_with)
            seconds_left = (time.monotonic() - start) / count * (total - count)
            progress.report("Registering", count, total, {"failed": len(plan.failed), "seconds_left": seconds_left})
    except KeyboardInterrupt:
        raise Cancelled(
            f"Stopped after {count} of {total} pairs; those are whole, and the same command goes on with the rest."
        ) from None
    finally:
        study.write_failures(plan.failed)
        study.remove_partial()
