"""The public command line, as a script and as the panel's worker use it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import sample_pair
from regexplain.cli import main

COMMAND = [sys.executable, "-m", "regexplain"]
PAIR = [str(sample_pair.file("fixed")), str(sample_pair.file("moving"))]
SEGMENTATIONS = [
    part
    for role in ("fixed", "moving")
    for part in (f"--{role}-segmentation", str(sample_pair.file(f"{role}_segmentation")))
]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "result with spaces é"
    done = run("register", *PAIR, *SEGMENTATIONS, "--output", str(folder), "--threads", "1", "--progress", "json")
    return folder, done


@pytest.mark.slow
def test_a_program_gets_one_json_object_a_line_and_the_result_last(registered):
    folder, done = registered
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert {e["event"] for e in events[:-1]} == {"progress"}
    assert all(set(e) == {"event", "stage", "done", "total"} and e["done"] <= e["total"] for e in events[:-1])
    assert events[-1] == {"event": "finished", "result": str(folder)}


@pytest.mark.slow
def test_the_whole_result_folder_is_there(registered):
    folder, _ = registered
    images = [f"{role}{part}" for role in ("fixed", "moving", "warped_moving") for part in ("", "_segmentation")]
    expected = [
        *(f"{name}.nii.gz" for name in images),
        "transform.h5",
        "inverse_transform.h5",
        "result.json",
        "report.html",
    ]
    assert sorted(p.name for p in folder.iterdir()) == sorted(expected)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


@pytest.mark.slow
def test_explain_and_components_add_to_it(registered):
    folder, _ = registered
    explained = ["explain", str(folder), "--stage", "decoder", "--region", "1"]
    decomposed = ["components", str(folder), "--count", "1", "--strength", "2"]
    for verb in (explained, decomposed):
        done = CliRunner().invoke(main, [*verb, "--threads", "1"])
        assert done.exit_code == 0, done.output
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert [row["region"] for row in record["heatmaps"]] == ["segment 1"]
    assert (folder / "heatmaps/decoder.nii.gz").is_file()
    assert (folder / "components/component-01/strength+2.00.nii.gz").is_file()


def test_models_lists_what_is_installed_and_one_card_whole():
    listed = CliRunner().invoke(main, ["models"])
    assert listed.output.startswith("brain-t1-flair")
    card = json.loads(CliRunner().invoke(main, ["models", "hippocampus"]).output)
    for key in ("intended_use", "limits", "data", "licence", "figures", "files", "training"):
        assert card[key]


@pytest.mark.slow
def test_an_error_goes_to_the_program_and_to_the_log():
    done = run("explain", "nowhere", "--progress", "json")
    event = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 2
    assert event["event"] == "error"
    assert done.stderr == f"Error: {event['message']}\n"


@pytest.mark.slow
def test_verbose_shows_where_it_went_wrong():
    assert "Traceback" in run("explain", "nowhere", "--verbose").stderr


def heeding_interrupts():
    """A shell starts background jobs, a CI run among them, deaf to SIGINT, and their children inherit it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals to send; there the panel kills the process")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_ends_with_130_and_leaves_nothing(tmp_path, sent):
    command = [*COMMAND, "register", *PAIR, "--model", "none", "--output", str(tmp_path / "r"), "--progress", "json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=heeding_interrupts) as worker:
        assert worker.stdout.readline()  # it is under way
        worker.send_signal(sent)
        began = time.monotonic()
        _, said = worker.communicate(timeout=30)
    assert worker.returncode == 130
    assert "Cancelled" in said
    assert time.monotonic() - began < 20
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_verb_and_loads_no_torch():
    code = (
        "import sys; from regexplain.cli import main; main(['-h'], standalone_mode=False); exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    for verb in ("register", "explain", "components", "scene", "models", "train", "evaluate"):
        assert verb in done.stdout
