"""What a cohort costs beyond its registrations: per pair, per worker, in memory and on disk.

    .venv/bin/python benchmarks/cohort_scale.py overhead            # 10,000 pairs that do nothing
    .venv/bin/python benchmarks/cohort_scale.py linear              # the same of 500, 1,000 … 4,000
    .venv/bin/python benchmarks/cohort_scale.py memory              # the driver's, of 20 and of 2,000 pairs
    .venv/bin/python benchmarks/cohort_scale.py workers             # one worker and two, of pairs that only compute
    .venv/bin/python benchmarks/cohort_scale.py costs STUDY …       # of finished studies: seconds, files, bytes a pair

Run them on an idle machine. The pairs are of the sample pair, which is not read.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from regexplain.cohort.engine import local_client
from regexplain.cohort.group import write_group
from regexplain.cohort.pairs import Pair, Pairs
from regexplain.cohort.settings import Settings
from regexplain.cohort.study import Plan, Study, run
from regexplain.cohort.work import Job
from regexplain.progress import Progress

SAMPLES = Path(__file__).resolve().parents[1] / "RegExplain" / "Resources" / "SampleData"
COMPUTING_SECONDS = 0.5  # of the processor, a pair
ROW: dict[str, Any] = {"kind": "affine", "model": "none", "figures": {f"figure_{n}": n / 7 for n in range(40)}}


def nothing(job: Job, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    return ROW


def computing(job: Job, folder: Path) -> dict[str, Any]:
    ends = time.process_time() + COMPUTING_SECONDS
    while time.process_time() < ends:
        sum(range(1000))
    return nothing(job, folder)


def measured(count: int, workers: int, work: Any) -> dict[str, float]:
    """Of each step the seconds, and those of the processor in this process, which is driver and scheduler; this
    process's memory before the pairs and at its peak, MB."""
    files = {role: str(SAMPLES / f"{role}.nii.gz") for role in ("fixed", "moving")}
    with tempfile.TemporaryDirectory() as folder, local_client(workers, None) as client:
        client.wait_for_workers(workers)
        study = Study(Path(folder))
        study.results.mkdir()
        found, clocks = {"before_mb": peak_mb()}, [clock()]
        pairs = Pairs([Pair(f"p{number:06d}", files) for number in range(count)])
        plan = Plan.of(study, pairs, Settings("none"))
        clocks.append(clock())
        run(study, plan, client, work, Progress())
        clocks.append(clock())
        assert len(plan.done) == count, plan.failed
        write_group(study, pairs.usable, plan)
        clocks.append(clock())
        for step, began, ended in zip(("plan", "run", "write"), clocks, clocks[1:], strict=False):
            found |= {step: ended[0] - began[0], f"{step}_cpu": ended[1] - began[1]}
        return found | {"peak_mb": peak_mb()}


def clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(count: int, workers: int, work: str) -> dict[str, float]:
    """`measured` in a process of its own, whose peak of memory is then its own."""
    command = [sys.executable, __file__, "one", str(count), str(workers), work]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def overhead() -> None:
    print_rows([(count, alone(count, 2, "nothing")) for count in (10_000,)])


def linear() -> None:
    print_rows([(count, alone(count, 2, "nothing")) for count in (500, 1000, 2000, 4000)])


def memory() -> None:
    print_rows([(count, alone(count, 2, "nothing")) for count in (20, 200, 2000)])


def workers() -> None:
    seconds = {count: alone(40, count, "computing")["run"] for count in (1, 2)}
    print(f"40 pairs of {COMPUTING_SECONDS} s: one worker {seconds[1]:.1f} s, two {seconds[2]:.1f} s")
    print(f"two workers are {seconds[1] / seconds[2]:.2f} times as fast; load before: {os.getloadavg()[0]:.1f}")


def print_rows(rows: list[tuple[int, dict[str, float]]]) -> None:
    print(
        "a pair, ms (of the driver's processor time): plan           run            write       driver MB before, peak"
    )
    for count, found in rows:
        each = (
            f"{1000 * found[s] / count:6.2f} ({1000 * found[f'{s}_cpu'] / count:.2f})" for s in ("plan", "run", "write")
        )
        print(f"{count:6d} pairs   {'  '.join(each)}   {found['before_mb']:.0f}, {found['peak_mb']:.0f}")
    print(f"load: {os.getloadavg()[0]:.1f}")


def costs(studies: list[Path]) -> None:
    for study in studies:
        seconds, files, sizes = [], [], []
        for folder in (study / "results").iterdir():
            seconds.append(json.loads((folder / "result.json").read_text())["seconds"]["total"])
            own = [path for path in folder.rglob("*") if path.is_file()]
            files.append(len(own))
            sizes.append(sum(path.stat().st_size for path in own) / 1e6)
        medians = [statistics.median(values) for values in (seconds, files, sizes)]
        print(f"{study.name}: {len(seconds)} pairs; median {medians[0]:.1f} s, {medians[1]} files, {medians[2]:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["overhead", "linear", "memory", "workers", "costs", "one"])
    parser.add_argument("rest", nargs="*")
    arguments = parser.parse_args()
    if arguments.what == "one":
        count, number, work = arguments.rest
        print(json.dumps(measured(int(count), int(number), globals()[work])))
    elif arguments.what == "costs":
        costs([Path(study) for study in arguments.rest])
    else:
        globals()[arguments.what]()


if __name__ == "__main__":
    main()
