"""Speaks the worker's protocol (docs/architecture.md) without computing.

    fake_worker.py BEHAVIOUR TEMPLATES [PID FILE] VERB ...

TEMPLATES is a folder of synthetic results to copy from. Behaviours: good makes what the verb makes; affine the same
where no model fits; garbage the same among noise; error, silent and killed fail so; hang never ends, has a child,
ignores requests to end, and writes both process ids to the file.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TEMPLATES = {  # arguments of write_synthetic_result
    "deformable": {"heatmaps": False, "components": 0},
    "deformable-bare": {"heatmaps": False, "components": 0, "segmentations": False},
    "affine-bare": {"kind": "affine", "segmentations": False},
    "full": {},
}


def say(event, **values):
    print(json.dumps({"event": event} | values), flush=True)


def make(templates, verb, arguments, kind="deformable"):
    """What the verb makes; returns the path that it reports."""
    if verb == "register":
        output = Path(arguments[arguments.index("--output") + 1])
        shutil.copytree(templates / (kind if "--fixed-segmentation" in arguments else f"{kind}-bare"), output)
        addToRecord(output, {"warnings": ["Segment 3 is only in the fixed segmentation."]})
        return output
    output, part = Path(arguments[0]), {"explain": "heatmaps", "components": "components"}[verb]
    shutil.copytree(templates / "full" / part, output / part, dirs_exist_ok=True)
    addToRecord(output, {part: json.loads((templates / "full" / "result.json").read_text(encoding="utf-8"))[part]})
    return output


def addToRecord(folder, values):
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values))


def good(templates, verb, arguments, kind="deformable"):
    say("progress", stage="Registering", done=1, total=2)
    say("warning", message="The scans were made on different scanners.")
    path = make(templates, verb, arguments, kind)
    say("progress", stage="Registering", done=2, total=2)
    say("finished", result=str(path))


def affine(templates, verb, arguments):
    good(templates, verb, arguments, "affine")


def garbage(templates, verb, arguments):
    sys.stdout.buffer.write(
        b'\xff\xfe\x00 not text \x80\r\n[1, 2]\n"event"\n{"event": "party"}\n' + b"[" * 100_000 + b"\n"
    )
    sys.stdout.buffer.write(
        b'{"event": "progress", "stage": "x", "done": "many", "total": null}\n{"event": "started", "pid": Infinity}\n'
    )
    sys.stdout.buffer.write(b"x" * 3_000_000)
    sys.stderr.buffer.write("Wärnung ".encode("latin-1") + b"\n")
    print(flush=True)
    good(templates, verb, arguments)
    sys.stdout.write("and no line end")


def error(templates, verb, arguments):
    say("error", message="The fixed image has the same value (0) in every voxel; check that the right file was given.")
    print("Error: the same on the terminal", file=sys.stderr)
    sys.exit(2)


def silent(templates, verb, arguments):
    print("Segmentation fault", file=sys.stderr)
    sys.exit(3)


def killed(templates, verb, arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(templates, verb, arguments):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]
    )
    partial = Path(arguments[arguments.index("--output") + 1])
    partial.mkdir()
    (partial / "half").write_text("written")
    Path(sys.argv[3]).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)


if __name__ == "__main__":
    if hasattr(os, "setsid"):
        os.setsid()
    say("started", pid=os.getpid())
    behaviour, templates, *words = sys.argv[1:]
    if behaviour == "hang":
        del words[0]
    globals()[behaviour](Path(templates), words[0], words[1:])
