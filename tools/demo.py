"""Register, explain and show the sample pair, as a user would on the command line, and say in ten lines what came out.

.venv/bin/python tools/demo.py
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from regexplain.report.formatting import millimetres
from regexplain.report.sentences import headline
from regexplain.results import ResultFolder

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = "RegExplain/Resources/SampleData"
RESULT = "build/demo"


def main():
    pair = [f"{SAMPLES}/{role}.nii.gz" for role in ("fixed", "moving")]
    pair += [f"--{role}-segmentation={SAMPLES}/{role}_segmentation.nii.gz" for role in ("fixed", "moving")]
    what = f"Registered two made-up hippocampus crops ({SAMPLES})"
    step(what, "register", *pair, f"--output={RESULT}", "--overwrite")
    step("Explained by Grad-CAM what drove the displacement of the segments", "explain", RESULT)
    step("Worked out what the network's latent components do to this pair", "components", RESULT)
    step("Built the scene for 3D Slicer, with every layer", "scene", RESULT, "--pictures", optional=True)
    folder = ResultFolder.open(ROOT / RESULT)
    for sentence in headline(folder.record):
        print(sentence)
    off = millimetres(folder.record["inverse_consistency_mm"]["mean"])
    print(f"There and back, a point ends {off} off on average.")
    scene = f", {RESULT}/scene.mrb in 3D Slicer" if folder.file("scene.mrb") else ""
    print(f"Look at {RESULT}/report.html in a browser{scene}. Your own images: .venv/bin/regexplain --help")


def step(done, *arguments, optional=False):
    """Run one verb of the command line and say how it went; what is optional may fail."""
    began = time.monotonic()
    command = [sys.executable, "-m", "regexplain", *arguments, "--progress", "json"]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    remarks = " ".join(event["message"] for event in events if event["event"] in ("warning", "error"))
    if ended.returncode and not optional:
        sys.exit(f"`regexplain {arguments[0]}` failed: {remarks or ended.stderr}")
    said = f"Not done: {arguments[0]}" if ended.returncode else f"{done}: {time.monotonic() - began:.0f} s"
    print(said + (f" ({remarks})" if remarks else ""), flush=True)


if __name__ == "__main__":
    main()
