"""How long the arrows keep a user waiting: on a displacement field of 256³ voxels.

    python benchmarks/arrows.py [--size 256]

Made for 1 mm voxels; the median of five times each, wall clock, and the memory of the field that Slicer's transform
display gets. Drawing is by Slicer's own displayable managers into an image of 500 × 500 pixels in memory, without a
graphics card, so a real view is faster. Needs slicer-core and a GL library.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from measuring import processor, table
from regexplain.results.folder import SCHEMA_VERSION
from regexplain.transforms.itk import RegistrationTransform

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "RegExplain"))

AMPLITUDE_MM, REPEATS = 8.0, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    size = parser.parse_args().size
    from RegExplainLib.MRML import Gl
    from RegExplainLib.MRML.Headless import Headless
    from RegExplainLib.MRML.Layers import GlyphLayer
    from RegExplainLib.MRML.Pictures import Pictures, anatomyCentre
    from RegExplainLib.MRML.ResultNodes import ResultNodes

    if not Gl.canRender():
        sys.exit(Gl.MISSING)
    views = Pictures(Headless.start())
    with tempfile.TemporaryDirectory() as folder:
        result = ResultNodes.load(written(Path(folder, "result"), size))
        view, layer = views.sliceViews[0], GlyphLayer(result)
        views.fit(result)
        centre, at = anatomyCentre(result), iter(np.linspace(-20, 20, 100))

        def drawn(change: Callable[[], object]) -> None:
            change()
            view.render()

        def added() -> None:
            layer.remove()
            layer.add()

        steps = {
            "the slice alone, without arrows": lambda: drawn(lambda: view.sliceNode.JumpSlice(*centre + next(at))),
            "made": added,
            "next slice": lambda: drawn(lambda: view.sliceNode.JumpSlice(*centre + next(at))),
            "twice as dense": lambda: (layer.setSpacing(13.0), drawn(lambda: layer.setSpacing(6.5))),
            "threshold": lambda: drawn(lambda: layer.setThreshold(1 + next(at) / 100)),
            "the other way": lambda: drawn(lambda: layer.setTowards("fixed")),
            "one segment": lambda: drawn(lambda: layer.setSegment(1)),
            "all again": lambda: drawn(lambda: layer.setSegment(None)),
            "grid": lambda: drawn(lambda: layer.setForm("grid")),
            "contour lines": lambda: drawn(lambda: layer.setForm("contours")),
        }
        view.render()
        rows = [(name, f"{1000 * seconds(step):.0f} ms") for name, step in steps.items()]
        grid = layer.node("transform").GetTransformToParent().GetDisplacementGrid()
        own = result.deformation.GetTransformFromParent().GetDisplacementGrid()
    print(f"{size}³ voxels, {processor()}\n\n{table(('what', 'time'), rows)}\n")
    print(
        f"Field for the display: {grid.GetActualMemorySize() / 1024:.0f} MiB, of {own.GetActualMemorySize() / 1024:.0f}"
    )


def seconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def written(folder: Path, size: int) -> Path:
    """A result folder with a displacement of one smooth bump over a ball, which is also its only segment."""
    folder.mkdir()
    middle = (size - 1) / 2
    z, y, x = np.ogrid[:size, :size, :size]
    squared = ((x - middle) ** 2 + (y - middle) ** 2 + (z - middle) ** 2).astype(np.float32)
    bump = np.exp(-squared / (2 * (size / 6) ** 2))
    field = sitk.GetImageFromArray(bump[..., None] * np.float32(AMPLITUDE_MM) * [0.6, 0.8, 0.0], isVector=True)
    ball = sitk.GetImageFromArray((squared < (size / 5) ** 2).astype(np.uint8))
    scan = sitk.GetImageFromArray((1000 * bump).astype(np.int16))
    for name, image in (("fixed", scan), ("moving", scan), ("fixed_segmentation", ball)):
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    RegistrationTransform(sitk.AffineTransform(3), field).write(folder / "transform.h5")
    record = {"schema_version": SCHEMA_VERSION, "kind": "deformable", "displacement_mm": {"max": AMPLITUDE_MM}}
    record |= {"heatmaps": [], "components": None, "inverse_consistency_mm": None}
    (folder / "result.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
