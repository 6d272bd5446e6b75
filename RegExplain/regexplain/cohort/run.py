"""A whole study: what its table names, registered by Dask, and the tables and page of the group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInputError
from ..progress import Progress
from .bids import bids_pairs
from .engine import check_packages, check_workers, local_client, local_workers, remote_client
from .estimate import Estimate
from .group import write_group
from .pairs import Pairs, read_pairs
from .settings import Installation, Settings
from .study import Plan, Study, run
from .work import Work, register_pair

if TYPE_CHECKING:
    from distributed import Client


NO_WORKERS = "The scheduler has no workers yet; the pairs wait for some, such as of `dask worker ADDRESS --nthreads 1`."


@dataclass(frozen=True)
class Workers:
    """Who does the work: a scheduler's, by its address; else `count` processes here, of `memory` bytes each at most.

    threads: of the processor, for each pair."""

    scheduler: str | None = None
    count: int | None = None
    memory: float | None = None
    threads: int | None = None


def pairs_of(source: Path, bids: str | None) -> Pairs:
    """Of a table, or of a BIDS folder and a selection. Raises BadInputError."""
    if bids is not None:
        return bids_pairs(source, bids)
    if source.is_dir():
        raise BadInputError(
            f"{source.name} is a folder; give a table, or say which scans of a BIDS folder: "
            '--bids "T1w ses-1 -> ses-2".'
        )
    return read_pairs(source)


def cohort(
    pairs: Pairs,
    output: Path,
    settings: Settings,
    workers: Workers,
    *,
    retry_failed: bool = False,
    parquet: bool = False,
    work: Work = register_pair,
    progress: Progress | None = None,
) -> Plan:
    """Do what is missing of a study, and write its tables and page anew. work: what becomes of a pair."""
    progress = progress or Progress()
    check_packages(parquet)
    study = Study(output)
    with study.locked():
        study.remove_partial()
        plan = Plan.of(study, pairs, settings, retry_failed)
        if plan.jobs:
            with connected(workers, plan, settings) as client:
                check_workers(client, Installation.here(settings.model), settings.model)
                progress.note(f"Dask's dashboard: {client.dashboard_link}")
                if not client.nthreads():
                    progress.note(NO_WORKERS)
                run(study, plan, client, work, progress)
        study.write_failures(plan.failed)
        write_group(study, pairs.usable, plan, parquet)
    return plan


@contextmanager
def connected(workers: Workers, plan: Plan, settings: Settings) -> Iterator[Client]:
    """To those workers; the plan's jobs get the threads that each may use."""
    if workers.scheduler is not None:
        count, threads = 1, workers.threads or 1
        connection = remote_client(workers.scheduler)
    else:
        estimate = Estimate.of(plan.voxels, settings)
        count = min(len(plan.jobs), local_workers(workers.count, estimate.memory, settings.device, workers.memory))
        available = max(1, (os.cpu_count() or 1) // count)
        threads = min(workers.threads or available, available)
        connection = local_client(count, workers.memory)
    plan.jobs = [replace(job, settings=replace(job.settings, threads=threads)) for job in plan.jobs]
    with connection as client:
        yield client
