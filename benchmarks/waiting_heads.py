"""How long a user of the panel waits for two whole heads, and how long Slicer stands still meanwhile.

    python benchmarks/waiting_heads.py FIXED MOVING [--model brain-t1-flair]

The real panel with the real worker, on the processor, on the stand-in host of Testing/panel: the two scans registered,
explained at all stages of one pass, explained once more; then registered and explained again with a box as a fixed
segmentation of 20 segments. Wall clock, and the longest step of the panel's main thread between two turns of the event
loop, in wall clock and in processor time: on a busy computer read the latter. Needs slicer-core, torch, PySide6 and a
GL library.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from measuring import processor, versions
from waiting import Moment, duration, press, require, user

SEGMENTS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fixed", type=Path)
    parser.add_argument("moving", type=Path)
    parser.add_argument("--model", default="brain-t1-flair")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores of {processor()}, {versions(('slicer-core', 'PySide6-Essentials', 'torch'))}\n")
    print("| what | wait | longest step | processor |\n|---|---|---|---|", flush=True)
    with user() as panel:
        choose(panel, arguments)
        for pressed in ("Register", "Explain", "Explain again"):
            print(waiting_row(panel, pressed), flush=True)
        panel.session.parameterNode.fixedSegmentation = boxes(panel.session.parameterNode.fixed)
        for pressed in ("Register", "Explain"):
            print(waiting_row(panel, pressed, f", {SEGMENTS} segments"), flush=True)


def choose(panel: Any, arguments: argparse.Namespace) -> None:
    import SimpleITK as sitk

    import slicer
    from RegExplainLib.MRML import Conversion

    parameters = panel.session.parameterNode
    for role in ("fixed", "moving"):
        image = sitk.ReadImage(str(getattr(arguments, role)))
        setattr(parameters, role, Conversion.addVolume(slicer.mrmlScene, image, role))
    parameters.model, parameters.processorOnly = arguments.model, True


def boxes(volume: Any) -> Any:
    """A segmentation of slabs through the middle of a volume."""
    import SimpleITK as sitk

    import slicer
    from RegExplainLib.MRML import Conversion, NodeExport

    image = NodeExport.volumeImage(NodeExport.hardenedCopy(volume, "fixed"))
    labels = np.zeros(image.GetSize()[::-1], np.uint8)
    slabs = np.array_split(np.arange(labels.shape[2] // 4, 3 * labels.shape[2] // 4), SEGMENTS)
    for label, columns in enumerate(slabs, start=1):
        labels[:, labels.shape[1] // 4 : 3 * labels.shape[1] // 4, columns] = label
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    return Conversion.addSegmentation(slicer.mrmlScene, mask, "Slabs", (1.0, 0.5, 0.0))


def waiting_row(panel: Any, pressed: str, more: str = "") -> str:
    """A row of the table."""
    button = panel.ui.registerButton if pressed == "Register" else panel.ui.explainButton
    before, began = panel.session.result, Moment.now()
    steps = press(button, panel)
    wait = (Moment.now() - began).wall
    result = panel.session.result
    require(result is not None and (pressed != "Register" or result is not before), panel.ui.logText.toPlainText())
    require(pressed == "Register" or panel.session.result.record["heatmaps"], panel.ui.logText.toPlainText())
    walls, busy = zip(*steps, strict=True)
    return f"| {pressed}{more} | {duration(wait)} | {duration(max(walls))} | {duration(max(busy))} |"


if __name__ == "__main__":
    main()
