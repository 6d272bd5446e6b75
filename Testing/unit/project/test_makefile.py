"""What `make test` leaves out, `.ci/run` runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def suites(target: str) -> list[str]:
    """The calls of pytest that a target would make."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    command = ["make", "--dry-run", "--no-print-directory", target]
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MARKS")  # of the make that runs this test
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "-m pytest" in line]


def test_ci_runs_every_ring_and_leaves_out_no_test():
    assert "\nmake test-all " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    calls = suites("test-all")
    assert all('-m ""' in call for call in calls), calls
    for ring in ("unit", "panel", "mrml", "slicer"):
        assert sum(f"Testing/{ring}" in call for call in calls) == 1, ring


def test_make_test_leaves_out_what_only_ci_has_time_for():
    calls = suites("test")
    assert len(calls) == 3 and all('-m "not ci"' in call for call in calls), calls
