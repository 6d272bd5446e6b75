"""The table of what a user of the panel waits for: whose time its figures are, and that the docs have its rows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import ROWS, Moment, Waits, duration, is_running

PAGE = Path(__file__).resolve().parents[3] / "docs" / "waiting.md"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_has_the_median_and_the_worst_of_the_repeats_but_not_of_the_first_turn():
    waits, seconds = Waits(), iter([9.0, 0.3, 0.1, 0.2])
    waits.repeated(3, lambda: [waits.add(key, wall, wall / 2) for wall in [next(seconds)] for key in ROWS])
    first = cells(waits.markdown(8).splitlines()[2])
    assert first[1:] == ["200 ms", "300 ms", "100 ms"]


def test_what_is_known_by_the_clock_alone_has_no_processor_time():
    waits = Waits()
    for key in ROWS:
        waits.add(key, 1.0, None)
    assert {tuple(cells(line)[1:]) for line in waits.markdown(8).splitlines()[2:]} == {("1.0 s", "1.0 s", "")}


@pytest.mark.slow
def test_processor_time_is_that_of_ended_children_too():
    began = Moment.now()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert (Moment.now() - began).busy >= 0.45


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0 ms"), (0.99, "990 ms"), (0.9996, "1.0 s"), (61.24, "61.2 s")]
)
def test_a_duration_reads_well(seconds, text):
    assert duration(seconds) == text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")
def test_a_worker_is_gone_only_when_its_children_are():
    orphaned = "import subprocess; subprocess.Popen(['sleep', '60'])"
    for script, left in ((orphaned, True), ("pass", False)):
        with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as worker:
            worker.wait()
        assert is_running(worker.pid) is left
        if left:
            os.killpg(worker.pid, signal.SIGKILL)


def test_the_documentation_holds_every_row_in_order():
    text = PAGE.read_text(encoding="utf-8")
    shown = [cells(line)[0] for line in text.splitlines() if line.startswith("|")][2:]
    assert shown == [title.format(size=256) for title in ROWS.values()]
