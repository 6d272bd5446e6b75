"""Speaks the worker's protocol (docs/worker.md) without computing.

    fake_worker.py BEHAVIOUR TEMPLATES

BEHAVIOUR is a file that holds a JSON list: the name of how to behave, and for some a file to write process ids to. It
is read for every command, so that one worker can change its mind. TEMPLATES is a folder of synthetic results to copy
from. Behaviours: good makes what the verb makes; affine the same
where no model fits; garbage the same among noise; error, memory, lost (graphics card), full (disk), silent and killed
fail so; nowhere and half say that they are done; flood says too much; hang never ends, has a child, ignores requests to
end, and writes both process ids to the file.
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
    if verb in ("register", "explain-transform"):
        output = Path(arguments[arguments.index("--output") + 1])
        shutil.copytree(templates / (kind if "--fixed-segmentation" in arguments else f"{kind}-bare"), output)
        addToRecord(output, {"warnings": ["Segment 3 is only in the fixed segmentation."]})
        if "--error" in arguments:
            addError(output)
        if verb == "explain-transform":
            addToRecord(output, {"model": None, "transform": {"words": "Tissue moves 5.0 mm towards left."}})
        return output
    if verb == "import-model":
        return importModel(arguments)
    output = Path(arguments[0])
    full = json.loads((templates / "full" / "result.json").read_text(encoding="utf-8"))
    if verb == "decompose":
        copyPart(templates, output, "components")
        addToRecord(output, {"decomposition": decomposition(full["components"]["items"])})
    elif verb == "error":
        addError(output)
    elif verb == "trust":
        addToRecord(output, {"trust": TRUST})
    elif verb == "changes":
        addToRecord(output, {"changes": CHANGES})
        (output / "changes").mkdir(exist_ok=True)
        shutil.copy(output / "fixed.nii.gz", output / "changes" / "difference.nii.gz")
    elif verb == "landmarks":
        addToRecord(output, {"landmarks": landmarks(arguments)})
    else:
        part = {"explain": "heatmaps", "components": "components"}[verb]
        copyPart(templates, output, part)
        addToRecord(output, {part: full[part]})
    return output


def importModel(arguments):
    """A card that says with what it was imported."""
    folder = Path(os.environ["REGEXPLAIN_HOME"], "models", "mine")
    folder.mkdir(parents=True, exist_ok=True)
    card = {
        "name": "mine",
        "title": "a shift finder",
        "network": {"type": "external", "stages": {"main": {"module": "deep.down"}}},
        "canvas": {},
        "alignment": "centre",
        "domain": {},
        "files": {"weights.safetensors": "0"},
        "self_check": {"words": "The convention on the card fits."},
        "arguments": arguments,
    }
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return "mine"


def copyPart(templates, output, part):
    shutil.copytree(templates / "full" / part, output / part, dirs_exist_ok=True)


def decomposition(items):
    """Each component as a part, moving less than the one before."""
    spread = {"mean": 2.0, "p95": 3.0, "max": 4.0}
    parts = [
        {
            "component": item["index"],
            "fixed_sd": item["fixed_sd"],
            "moving_sd": item["moving_sd"],
            "name": f"moves {3 - n} mm towards left",
            "words": f"Tissue moves {3 - n} mm.",
            "moved_mm": {"mean": 3.0 - n, "p95": 4.0 - n, "max": 5.0 - n},
            "segments": [],
            "remaining_mm": {"mean": 1.0 / n, "p95": 2.0, "max": 3.0},
            "file": item["fields"][-1]["file"],
        }
        for n, item in enumerate(items, 1)
    ]
    remaining = {"components": spread, "latent": spread}
    return {
        "basis": "pca",
        "anatomy": "all segments",
        "components": len(items),
        "whole_mm": spread,
        "parts": parts,
        "remaining_mm": remaining,
        "sum_of_parts_mm": spread,
    }


def landmarks(arguments):
    """Each as far off as its number says."""
    lists = {role: arguments[arguments.index(f"--{role}-landmarks") + 1] for role in ("fixed", "moving")}
    points = {role: json.loads(Path(path).read_text())["markups"][0]["controlPoints"] for role, path in lists.items()}
    spread, pairs = {"mean": 2.0, "p95": 3.0, "max": 4.0}, []
    for number, (fixed, moving) in enumerate(zip(points["fixed"], points["moving"], strict=True), 1):
        places = {"fixed": fixed["position"], "moving": moving["position"]}
        places |= {"carried": moving["position"], "carried_back": [p + number for p in fixed["position"]]}
        steps = {"before": 10.0 + number, "aligned": 5.0 + number, "after": float(number)}
        pairs.append({"label": fixed["label"], **places, "distance_mm": steps})
    steps = {step: spread for step in ("before", "aligned", "after")}
    return {"pairs": pairs, "distance_mm": steps, "warnings": ["Landmarks that lie outside the fixed image: tip."]}


CHANGES = {
    "file": "changes/difference.nii.gz",
    "noise": 12.0,
    "misplacement": 1.0,
    "places": [
        {"kind": kind, "volume_ml": ml, "difference_sd": sd, "centre_mm": [ml, 2.0, 3.0], "place": "segment 1"}
        for kind, ml, sd in (("brighter", 0.4, 3.5), ("darker", 0.1, -2.5))
    ],
    "segments": [],
}
TRUST = {
    "indicators": [
        {
            "name": "symmetry",
            "value": 0.6,
            "p95": 1.2,
            "worst": 2.3,
            "place": "the left hippocampus",
            "reference": {"median": 0.2, "p5": 0.1, "p95": 0.4},
            "state": "unusual",
        }
    ],
    "modalities": {"fixed": "T1", "moving": "FLAIR"},
    "certainty": {"fixed": 0.99, "moving": 0.98},
    "maps": [],
    "warnings": ["Forward and backward maps disagree in the left hippocampus: 2.3 mm there."],
}


def addError(output):
    """A map of the fixed scan's own voxels."""
    (output / "error").mkdir(exist_ok=True)
    shutil.copy(output / "fixed.nii.gz", output / "error" / "expected.nii.gz")
    addToRecord(output, {"error": ERROR})


MM = {"mean": 1.1, "p95": 2.0, "max": 4.0}
ERROR = {
    "estimator": {"name": "error-map", "version": "1", "sha256": "0" * 64},
    "cell_mm": 4.0,
    "expected_mm": MM,
    "bound90_mm": MM,
    "share_above_3mm": 0.04,
    "place": "the left hippocampus",
    "not_told": {"flat": 0.0, "missing": 0.0, "outside": 0.0},
    "segments": [],
    "maps": [{"name": "expected", "file": "error/expected.nii.gz", "grid": "fixed", "max_abs": 4.0}],
    "warnings": [],
}


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
    print("Segmentation fault", file=sys.stderr, flush=True)
    os._exit(3)


def memory(templates, verb, arguments):
    say("error", message="There was not enough memory; close other programs, or crop the images.")
    sys.exit(1)


def lost(templates, verb, arguments):
    """The graphics card fails on the way: torch's own words, through what turns them into a sentence."""
    from regexplain.errors import device_error

    say("progress", stage="Registering", done=1, total=2)
    words = "CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA` to enable assertions."
    say("error", message=str(device_error(RuntimeError(words))))
    sys.exit(1)


def full(templates, verb, arguments):
    """Of a disk: writing ends half-way."""
    target = output(verb, arguments)
    beside(target).mkdir()
    say("error", message=f"Writing the result to {target} failed (No space left on device); free space there.")
    sys.exit(1)


def nowhere(templates, verb, arguments):
    """Says it is done, and there is nothing."""
    say("finished", result=str(output(verb, arguments)) + " that is not there")


def half(templates, verb, arguments):
    """Says it is done, and the result cannot be read."""
    target = make(templates, verb, arguments)
    (target / "fixed.nii.gz").write_bytes(b"no image")
    say("finished", result=str(target))


def output(verb, arguments):
    return Path(arguments[arguments.index("--output") + 1] if "--output" in arguments else arguments[0])


def beside(path):
    """Where a verb writes before it is sure."""
    return path.with_name(f".{path.name}.aside")


def flood(templates, verb, arguments):
    """Says far more than anybody reads."""
    for done in range(20_000):
        say("progress", stage="Registering", done=done, total=20_000)
    good(templates, verb, arguments)


def killed(templates, verb, arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(templates, verb, arguments, pids):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(
        [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]
    )
    partial = beside(output(verb, arguments))
    partial.mkdir()
    (partial / "half").write_text("written")
    say("progress", stage="Registering", done=1, total=2)
    Path(pids).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)


def exitCode(templates, arguments):
    behaviour, *more = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        globals()[behaviour](templates, arguments[0], arguments[1:], *more)
    except SystemExit as error:
        return error.code
    return 0


if __name__ == "__main__":
    if hasattr(os, "setsid"):
        os.setsid()
    say("started", pid=os.getpid())
    for line in sys.stdin:
        code = exitCode(Path(sys.argv[2]), json.loads(line))
        print()  # as WorkerMain.py does: something may have been printed without a line end
        say("ended", code=code)
