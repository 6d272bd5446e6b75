"""How long Slicer stands still while a result is loaded: 192³ voxels, three segmentations and a displacement field.

    python benchmarks/loading.py [--size 192]

Every step that the main thread takes between two turns of Slicer's event loop (`ResultNodes.loadInSteps`), and what
follows the last: the arrows, and the volumes in the table. Processor time of one thread, five loadings; the files are
read in a thread beside it. Nothing is drawn. Made for 1 mm voxels. Needs slicer-core.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from arrows import REPEATS, written
from measuring import processor, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "RegExplain"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=192)
    size = parser.parse_args().size
    from RegExplainLib.MRML.Headless import Headless
    from RegExplainLib.MRML.Pictures import Pictures

    Pictures(Headless.start())
    with tempfile.TemporaryDirectory() as folder:
        path = with_warped_scan(written(Path(folder, "result"), size))
        loadings = [loaded(path) for _ in range(1 + REPEATS)][1:]
    rows = []
    for name in loadings[0]:
        every = [1000 * taken[name] for taken in loadings]
        rows.append((name, f"{statistics.median(every):.0f} ms", f"{max(every):.0f} ms"))
    print(f"{size}³ voxels, {processor()}\n\n{table(('what', 'median', 'worst'), rows)}")


def loaded(path: Path) -> dict[str, float]:
    """Seconds of what loading takes."""
    from RegExplainLib.MRML.Layers import GlyphLayer
    from RegExplainLib.MRML.ResultNodes import ResultNodes, readFiles
    from RegExplainLib.MRML.Segments import volumesMl

    clock = Clock()
    files = readFiles(path)
    taken, steps, result = {"reading, in a thread": clock.lap()}, [], None
    for step in ResultNodes.loadInSteps(path, files):
        result = step
        steps.append(clock.lap())
    taken |= {"all steps": sum(steps), "the longest step": max(steps)}
    GlyphLayer(result).add()
    taken["the arrows"] = clock.lap()
    for segmentation in (result.fixedSegmentation, result.movingSegmentation):
        volumesMl(segmentation)
    taken["the volumes"] = clock.lap()
    result.remove()
    return taken


class Clock:
    """Processor time of this thread, between one look and the next."""

    def __init__(self) -> None:
        self._last = time.thread_time()

    def lap(self) -> float:
        before, self._last = self._last, time.thread_time()
        return self._last - before


def with_warped_scan(folder: Path) -> Path:
    """The files that `written` leaves out."""
    for source, copy in (("moving", "warped_moving"), ("fixed_segmentation", "moving_segmentation")):
        shutil.copyfile(folder / f"{source}.nii.gz", folder / f"{copy}.nii.gz")
    shutil.copyfile(folder / "fixed_segmentation.nii.gz", folder / "warped_moving_segmentation.nii.gz")
    return folder


if __name__ == "__main__":
    main()
