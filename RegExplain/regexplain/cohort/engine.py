"""Dask distributed does the work: which workers there are, and what becomes of each pair."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import BadInputError, RegExplainError
from ..volumes.memory import physical_memory
from .settings import Installation
from .work import Job, Work, attempt, pair_record

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

RETRIES = 1  # of a pair whose worker died
BATCH_SIZE = 500  # pairs a message to the scheduler
DASHBOARD = "127.0.0.1:0"  # any free port; the run says which
CONFIGURATION = {
    "distributed.scheduler.allowed-failures": RETRIES,
    "distributed.scheduler.worker-saturation": 1.0,  # a dying worker takes its own pair with it, not the next one too
    "distributed.worker.daemon": True,
    "distributed.deploy.lost-worker-timeout": "1 hour",  # a busy computer may take minutes to start one again
    "distributed.admin.system-monitor.gil.enabled": False,
}
WORKER_DIED = (
    "The worker that did it died twice (killed, or out of memory); give each more with --memory-per-worker, or crop "
    "the images."
)

SCHEDULER_GONE = "The scheduler went away; finished pairs are whole, and the same command goes on with the rest."


def check_packages(parquet: bool = False) -> None:
    needed = ("dask", "distributed", "vl_convert", *(["pyarrow"] if parquet else []))
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise RegExplainError(
            f"Cohorts need {' and '.join(missing)}, not installed here: pip install 'regexplain[cohort]'."
        )


def memory_of(size: str | None, option: str = "--memory-per-worker") -> float | None:
    """Bytes of "4GB"; None of None. Raises BadInputError."""
    from dask.utils import parse_bytes

    try:
        return None if size is None else float(parse_bytes(size))
    except ValueError as error:
        raise BadInputError(f"{option} {size!r} is no size; give one such as 4GB.") from error


def gpu_count() -> int:
    """Of NVIDIA; no torch needed."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return listed.stdout.count("GPU ")


def local_workers(requested: int | None, needed: float, device: str, memory: float | None) -> int:
    """How many processes of this computer: one a graphics card where these are used, else as many as it has cores and
    memory for. needed: bytes a pair takes at its peak."""
    if requested is not None and requested < 1:
        raise BadInputError("--workers must be at least 1.")
    gpus = gpu_count() if device in ("auto", "cuda") else 0
    fit_in_memory = int(physical_memory() // max(memory or 0, needed, 1))
    available = gpus or max(1, min(os.cpu_count() or 1, fit_in_memory))
    return available if requested is None else min(requested, gpus) if gpus else requested


@contextmanager
def local_client(workers: int, memory: float | None) -> Iterator[Client]:
    """Of a cluster on this computer. memory: bytes a worker may take before it is ended; by default an equal share."""
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set(CONFIGURATION),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory or physical_memory() / workers,
            host="127.0.0.1",
            dashboard_address=DASHBOARD,
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(one_gpu_each())
        yield client


def one_gpu_each():
    """A plugin that shows each worker of a `LocalCluster`, which numbers them, one graphics card."""
    from distributed import WorkerPlugin

    class OneGpuEach(WorkerPlugin):
        def setup(self, worker: Worker) -> None:
            gpus = gpu_count()
            if gpus and isinstance(worker.name, int):
                os.environ["CUDA_VISIBLE_DEVICES"] = str(worker.name % gpus)

    return OneGpuEach()


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"No Dask scheduler answers at {address}; start one, and give the address that it prints."
        ) from error
    with client:
        yield client


def check_workers(client: Client, installation: Installation, model: str) -> None:
    """Raises RegExplainError where one of those that are there cannot do this study's pairs."""
    if any(threads > 1 for threads in client.nthreads().values()):
        raise BadInputError(
            "A worker does several pairs at once, which share one network; start workers with --nthreads 1, and more "
            "of them with --nworkers."
        )
    try:
        client.run(installation.check, model)
    except RegExplainError:
        raise
    except Exception as error:  # as Dask hands on what it could not load there
        raise RegExplainError(
            f"A worker cannot run this RegExplain ({error}); install the same version there too."
        ) from error


def outcomes(client: Client, jobs: list[Job], work: Work) -> Iterator[tuple[Job, str | None]]:
    """Each job as it is done: None, or why it failed. Paths go to the scheduler and a sentence comes back, no image.

    Raises RegExplainError where the scheduler goes away."""
    from distributed import KilledWorker, as_completed

    by_key = {f"pair-{job.made_with}-{job.pair.id}": job for job in jobs}
    futures = client.map(attempt, jobs, work=work, key=list(by_key), batch_size=BATCH_SIZE, pure=False)
    done = as_completed(futures)
    del futures
    for future in done:
        job = by_key[future.key]
        if future.status == "finished":
            yield job, _result(future, job)
        elif future.status == "error":
            error = future.exception()
            died = isinstance(error, KilledWorker)
            yield job, _outcome_of_killed(job) if died else f"Its worker could not do it ({error})."
        else:
            raise RegExplainError(SCHEDULER_GONE)


def _outcome_of_killed(job: Job) -> str | None:
    """Of a job whose workers died: they may have finished it before they could say so."""
    record = pair_record(job.folder)
    return None if record is not None and record["made_with"] == job.made_with else WORKER_DIED


def _result(future: Future, job: Job) -> str | None:
    """Fetched from its worker through the scheduler. Raises RegExplainError where that went away meanwhile."""
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker:  # its worker died with the answer, and so did the one that tried again
        return _outcome_of_killed(job)
    except (OSError, CancelledError) as error:
        raise RegExplainError(SCHEDULER_GONE) from error
