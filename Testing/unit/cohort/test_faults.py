"""What becomes of a study when workers, schedulers and users end things, with real processes."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("distributed")

import dask
from distributed import CancelledError, KilledWorker
from distributed.comm import CommClosedError

import null_work
from null_work import SETTINGS, null_pairs
from regexplain.cohort.engine import WORKER_DIED, _result, check_workers, local_client
from regexplain.cohort.settings import Installation
from regexplain.cohort.study import Plan, Study, run
from regexplain.cohort.work import attempt
from regexplain.errors import BadInputError, RegExplainError
from regexplain.progress import Progress

TESTING = Path(null_work.__file__).parent
pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def client():
    """On a computer that takes longer to start a worker again than Dask waits for one."""
    os.environ["PYTHONPATH"] = str(TESTING)
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}), local_client(2, None) as client:
        yield client


def ran(study: Study, client, work, count: int = 12) -> Plan:
    plan = Plan.of(study, null_pairs(study.path, count), SETTINGS)
    watchdog = threading.Timer(300, client.close)  # a run whose workers are all gone would wait for ever
    watchdog.start()
    try:
        with study.locked():
            run(study, plan, client, work, Progress())
    finally:
        watchdog.cancel()
    return plan


def names(study: Study) -> list[str]:
    return sorted(path.name for path in study.results.iterdir())


def test_a_pair_whose_worker_is_killed_is_done_elsewhere(client, tmp_path):
    study = Study(tmp_path / "study")
    plan = ran(study, client, null_work.killed_once)
    assert (study.path / "killed").exists()
    assert plan.failed == {} and len(plan.done) == 12
    assert names(study) == [f"p{k:04d}" for k in range(12)]


def test_a_pair_that_kills_each_worker_fails_and_every_other_one_is_done(client, tmp_path):
    study = Study(tmp_path / "study")
    ran(study, client, null_work.killing)
    assert study.failures().keys() == {"p0002"} and study.failures()["p0002"][0] == WORKER_DIED
    assert names(study) == [f"p{k:04d}" for k in range(12) if k != 2]


def test_a_failed_pair_is_told_and_done_again_only_when_asked(client, tmp_path):
    study = Study(tmp_path / "study")
    ran(study, client, null_work.failing, 4)
    [(name, (why, _))] = study.failures().items()
    assert name == "p0001" and "of no kind that anyone expects" in why
    pairs = null_pairs(study.path, 4)
    again = Plan.of(study, pairs, SETTINGS)
    assert again.jobs == [] and again.failed.keys() == {"p0001"} and len(again.done) == 3
    assert [job.pair.id for job in Plan.of(study, pairs, SETTINGS, retry_failed=True).jobs] == ["p0001"]
    assert len(Plan.of(study, pairs, replace(SETTINGS, refine=3)).jobs) == 4
    assert Plan.of(study, pairs, replace(SETTINGS, threads=3, device="cuda")).jobs == []


def test_a_worker_of_another_version_or_without_the_model_is_refused(client):
    with pytest.raises(RegExplainError, match="the study is run by 0.0.1"):
        check_workers(client, Installation("0.0.1", ""), "none")
    with pytest.raises(RegExplainError, match="A worker has not the model nobody"):
        check_workers(client, replace(Installation.here("none"), weights="x"), "nobody")
    with pytest.raises(RegExplainError, match="other weights"):
        check_workers(client, replace(Installation.here("none"), weights="x"), "none")


def test_a_worker_without_this_regexplain_is_refused(client):
    class NotThere:
        def check(self, model):
            raise ModuleNotFoundError("No module named 'regexplain.cohort'")

    with pytest.raises(RegExplainError, match="A worker cannot run this RegExplain"):
        check_workers(client, NotThere(), "none")


def test_a_late_worker_of_another_version_says_so_of_its_pair(tmp_path):
    study = Study(tmp_path)
    study.results.mkdir()
    [job] = Plan.of(study, null_pairs(tmp_path, 1), SETTINGS).jobs
    assert "the study is run by 0.0.1" in attempt(replace(job, installation=Installation("0.0.1", "")), null_work.null)


def test_a_disk_that_refuses_is_said_in_one_sentence_and_nothing_stays(tmp_path):
    study = Study(tmp_path)
    study.results.mkdir()
    [job] = Plan.of(study, null_pairs(tmp_path, 1), SETTINGS).jobs
    (tmp_path / "a file").write_text("")
    why = attempt(replace(job, folder=tmp_path / "a file" / "p0000"), null_work.null)
    assert why.startswith("Writing the result to") and names(study) == []


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen]:
    """It and what it started are gone afterwards, also where a test fails."""
    command = [sys.executable, str(TESTING / "null_work.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(study: Study, count: int) -> None:
    ends = time.monotonic() + 90
    while len(list(study.results.glob("p*/pair.json"))) < count:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_stopped_run_leaves_whole_pairs_and_the_next_does_the_rest(tmp_path):
    study = Study(tmp_path / "study")
    study.results.mkdir(parents=True)
    with program(str(study.path), "60", "slow") as first:
        wait_for(study, 2)
        os.killpg(first.pid, signal.SIGINT)  # as a terminal does
        said, code = first.communicate(timeout=60)[0].splitlines()[-1], first.returncode
    assert code == 130 and re.match(r"Stopped after \d+ of 60 pairs; those are whole", said)
    done = names(study)
    assert 2 <= len(done) < 60 and all((study.results / name / "pair.json").is_file() for name in done)
    assert len(Plan.of(study, null_pairs(study.path, 60), SETTINGS).jobs) == 60 - len(done)
    with study.locked():  # nobody else does
        pass


def test_a_run_that_was_killed_locks_nobody_out(tmp_path):
    code = "from regexplain.cohort.study import *; lock = Study(Path(%r)).locked(); lock.__enter__(); print(flush=True)"
    command = [sys.executable, "-c", code % str(tmp_path) + "; time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(BadInputError, match="Another run works on"), Study(tmp_path).locked():
            pass
        other.kill()
    with Study(tmp_path).locked():
        pass


@pytest.mark.parametrize("error", [CommClosedError("reset"), CancelledError()])
def test_a_scheduler_that_goes_away_while_a_result_is_fetched_is_said(error):
    class Lost:
        def result(self):
            raise error

    with pytest.raises(RegExplainError, match="The scheduler went away"):
        _result(Lost(), job=None)


def test_a_pair_that_was_finished_by_a_worker_that_died_before_it_could_say_so_is_done(tmp_path):
    class Killed:
        def result(self):
            raise KilledWorker("pair-p0000", None, 1)

    study = Study(tmp_path)
    study.results.mkdir()
    [job] = Plan.of(study, null_pairs(tmp_path, 1), SETTINGS).jobs
    assert _result(Killed(), job) == WORKER_DIED
    attempt(replace(job, made_with="other settings"), null_work.null)
    assert _result(Killed(), job) == WORKER_DIED
    attempt(job, null_work.null)
    assert _result(Killed(), job) is None


def test_workers_started_by_hand_do_the_same_and_a_scheduler_that_goes_away_is_said(tmp_path):
    study = Study(tmp_path / "study")
    study.results.mkdir(parents=True)
    environment = os.environ | {"PYTHONPATH": str(TESTING), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    told = tmp_path / "scheduler.json"
    start = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told)]
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen([*dask, "scheduler", *options], **start)
    options = ["--scheduler-file", str(told), "--nthreads", "1", "--no-dashboard", "--death-timeout", "120"]
    workers = [subprocess.Popen([*dask, "worker", *options], **start) for _ in range(2)]
    try:
        while not told.exists():
            time.sleep(0.1)
        address = json.loads(told.read_text())["address"]
        with program(str(study.path), "4", "null", address) as first:
            said = first.communicate(timeout=90)[0]
        assert first.returncode == 0 and len(names(study)) == 4, said
        with program(str(study.path), "40", "slow", address) as second:
            wait_for(study, 6)
            scheduler.kill()
            said = second.communicate(timeout=90)[0].splitlines()[-1]
        assert second.returncode == 1 and said.startswith("The scheduler went away; finished pairs are whole")
    finally:
        for process in (scheduler, *workers):
            process.kill()
            process.wait()
