"""How long a user of the panel waits: the table of docs/waiting.md.

    python benchmarks/waiting.py [--size 256] [--repeats 5]

Drives the real panel with the real worker, on the processor, on the stand-in host of Testing/panel: the sample pair
registered by `hippocampus`, cancelled, animated, saved and reopened, and the arrows of a displacement field of 256³
voxels. Median and worst wall clock of the repeats, after one that does not count, so files are in the system's cache.
Processor time is the median of all processes' together, of the longest step the main thread's. "Drawn" is by Slicer's
own displayable managers into four images of 500 × 500 pixels in memory, without a graphics card. Needs slicer-core,
torch, PySide6 and a GL library.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from arrows import written
from measuring import processor, table, versions

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "RegExplain")]

MODEL = "hippocampus"
TIMEOUT_S, POLL_S = 300, 0.002
MANY_STEPS = 500  # of refining: a registration with a middle to cancel it in

ROWS = {
    "ready": "panel ready, in a new process",
    "register": "Register → result, outlines and arrows in the scene",
    "worker": "… the worker",
    "computing": "… of it the registration itself",
    "loading": "… loading",
    "step": "… longest step of the panel meanwhile",
    "first drawing": "… first drawing of the views afterwards",
    "frame": "slider of the animation, one frame",
    "frame, drawn": "… and drawn",
    "image frame": "… with the scan moved too",
    "image frame, drawn": "… and drawn",
    "density": "arrows of {size}³ voxels: density",
    "density, drawn": "… and drawn",
    "scale": "… scale",
    "scale, drawn": "… and drawn",
    "threshold": "… threshold",
    "threshold, drawn": "… and drawn",
    "cancel": "Cancel → worker gone, panel ready",
    "save": "scene saved",
    "reload": "scene opened, panel as before",
}


@dataclass(frozen=True)
class Moment:
    """Seconds on the wall's clock, and of the processor by this process and those that it started and that ended."""

    wall: float
    busy: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.perf_counter(), time.process_time() + sum(os.times()[2:4]))

    def __sub__(self, before: Moment) -> Moment:
        return Moment(self.wall - before.wall, self.busy - before.busy)


class Waits:
    """What was waited for, by its key in ROWS: (wall, processor) seconds of every time."""

    def __init__(self) -> None:
        self.counts = True  # not while all is done for the first time
        self.taken: dict[str, list[tuple[float, float | None]]] = {key: [] for key in ROWS}

    def add(self, key: str, wall: float, busy: float | None) -> None:
        if self.counts:
            self.taken[key].append((wall, busy))

    def since(self, began: Moment, key: str) -> None:
        passed = Moment.now() - began
        self.add(key, passed.wall, passed.busy)

    def repeated(self, repeats: int, action: Callable[[], None]) -> None:
        for turn in range(1 + repeats):
            self.counts = turn > 0
            action()

    def markdown(self, size: int) -> str:
        rows = []
        for key, title in ROWS.items():
            walls, busy = zip(*self.taken[key], strict=True)
            known = [seconds for seconds in busy if seconds is not None]
            worked = duration(statistics.median(known)) if known else ""
            rows.append((title.format(size=size), duration(statistics.median(walls)), duration(max(walls)), worked))
        return table(("what", "median", "worst", "processor"), rows)


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.9995 else f"{1000 * seconds:.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    waits, repeats = Waits(), arguments.repeats
    waits.repeated(repeats, lambda: waits.add("ready", *in_new_process(ready)))
    with user() as panel:
        waits.repeated(repeats, lambda: register(panel, waits))
        waits.repeated(repeats, lambda: cancel(panel, waits))
        register(panel, waits)
        animate(panel, waits, repeats)
        explain(panel)
        with tempfile.TemporaryDirectory() as folder:
            file, shown = Path(folder, "scene.mrb"), on_show(panel)
            waits.repeated(repeats, lambda: save(waits, file))
            waits.repeated(repeats, lambda: reopen(panel, waits, file, shown))
            show_arrows(panel, written(Path(folder, "result"), arguments.size))
            change_arrows(panel, waits, repeats)
    print(f"{os.cpu_count()} cores of {processor()}, {versions(('slicer-core', 'PySide6-Essentials', 'torch'))}\n")
    print(waits.markdown(arguments.size))


def in_new_process(function: Callable[[], Any]) -> Any:
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function)


def ready() -> tuple[float, float]:
    """From the module's source to the open panel, in a host that runs already."""
    from panel import host

    host.start()
    import slicer
    from panel.host.application import LoadedModule

    began = Moment.now()
    LoadedModule(str(ROOT / "RegExplain" / "RegExplain.py")).open()
    slicer.app.processEvents()
    passed = Moment.now() - began
    return passed.wall, passed.busy


@contextmanager
def user() -> Iterator[Any]:
    """The panel of the open module, with views; raises where a slot did."""
    from panel import host
    from RegExplainLib.MRML import Gl

    if not Gl.canRender():
        sys.exit(Gl.MISSING)
    headless = host.start()
    import slicer
    from panel.host.application import LoadedModule
    from panel.host.strict import slotErrors
    from panel.host.views import LayoutManager
    from RegExplainLib.GUI.Install.Licences import AGREED

    slicer.app.layout = LayoutManager(headless)
    slicer.app.userSettings().setValue(AGREED, True)
    module = LoadedModule(str(ROOT / "RegExplain" / "RegExplain.py"))
    try:
        yield module.open().panel
    finally:
        module.close()
        if slotErrors:
            sys.exit(slotErrors[0])


def register(panel: Any, waits: Waits) -> None:
    """In an empty scene; the views are drawn anew at the end."""
    from RegExplainLib.MRML.Layers import GlyphLayer

    choose_sample_pair(panel)
    ended, began = [], Moment.now()
    watched = lambda path: ended.append(Moment.now())  # noqa: E731 - to be disconnected again
    panel.session.runner.finished.connect(watched)
    steps = press(panel.ui.registerButton, panel)
    panel.session.runner.finished.disconnect(watched)
    waits.since(began, "register")
    waits.since(ended[0], "loading")
    worker, result = ended[0] - began, panel.session.result
    waits.add("worker", worker.wall, worker.busy)
    waits.add("computing", result.record["seconds"]["total"], None)
    waits.add("step", max(wall for wall, _ in steps), max(busy for _, busy in steps))
    require(GlyphLayer(result).visible and result.warpedSegmentation.GetDisplayVisibility(), "Nothing is shown.")
    began = Moment.now()
    look_at(result)
    waits.since(began, "first drawing")


def cancel(panel: Any, waits: Waits) -> None:
    """In the middle of a long registration."""
    choose_sample_pair(panel)
    panel.session.parameterNode.refine = MANY_STEPS
    stages: list[str] = []
    watched = lambda stage, done, total: stages.append(stage)  # noqa: E731 - to be disconnected again
    panel.session.runner.progress.connect(watched)
    button = panel.ui.registerButton
    button.click()
    wait_until(lambda: "Refining" in stages)
    panel.session.runner.progress.disconnect(watched)
    group, began = panel.session.runner._process._groupId, Moment.now()
    button.click()
    wait_until(lambda: not panel.session.job and not is_running(group))
    waits.add("cancel", (Moment.now() - began).wall, None)  # that of the processor would be of the worker's whole life
    require(button.enabled and panel.session.result is None, "The panel is not as it was.")


def animate(panel: Any, waits: Waits, repeats: int) -> None:
    """The whole registration, moved by hand."""
    ui = panel.ui
    ui.componentSelector.currentIndex = 0
    ui.animateButton.click()
    ui.animateButton.click()
    strengths = cycle([*range(10, 101, 10), *range(90, -1, -10)])
    for key in ("frame", "image frame"):
        ui.warpImageCheckBox.checked = key == "image frame"
        look_at(panel.session.result)
        waits.repeated(4 * repeats, lambda key=key: move(waits, key, ui.strengthSlider, next(strengths)))
    ui.warpImageCheckBox.checked = False


def explain(panel: Any) -> None:
    press(panel.ui.explainButton, panel)


def save(waits: Waits, file: Path) -> None:
    """The scene with arrows, a heatmap and an animation."""
    import slicer

    began = Moment.now()
    require(slicer.mrmlScene.WriteToMRB(str(file)), "The scene was not saved.")
    waits.since(began, "save")


def reopen(panel: Any, waits: Waits, file: Path, shown: tuple[Any, ...]) -> None:
    import slicer

    slicer.mrmlScene.Clear(False)
    began = Moment.now()
    require(slicer.mrmlScene.ReadFromMRB(str(file)), "The scene was not opened.")
    slicer.app.processEvents()
    waits.since(began, "reload")
    require(on_show(panel) == shown, "The panel is not as it was.")


def on_show(panel: Any) -> tuple[Any, ...]:
    """What the panel and the scene show."""
    result, ui = panel.session.result, panel.ui
    layers = [(layer.key, layer.visible) for layer in result.layers() if layer.added]
    return result.id, layers, ui.segmentTable.rowCount, ui.strengthSlider.value, ui.stageSelector.currentText


def show_arrows(panel: Any, folder: Path) -> None:
    """Of a result in this folder, which gets the record of the one on show, as the panel tells more than it has."""
    from RegExplainLib.MRML.Layers import GlyphLayer
    from RegExplainLib.MRML.ResultNodes import ResultNodes

    file = folder / "result.json"
    own = json.loads(file.read_text(encoding="utf-8"))
    record = (
        own | panel.session.result.record | {key: own[key] for key in ("displacement_mm", "heatmaps", "components")}
    )
    file.write_text(json.dumps(record), encoding="utf-8")
    result = ResultNodes.load(folder)
    panel.session.choose(result.id)
    GlyphLayer(result).add()
    panel.session.changed.emit()
    look_at(result)


def change_arrows(panel: Any, waits: Waits, repeats: int) -> None:
    ui = panel.ui
    sliders = {"density": ui.spacingSlider, "scale": ui.scaleSlider, "threshold": ui.glyphThresholdSlider}
    for key, slider in sliders.items():
        usual = slider.value
        values = cycle([0.9 * usual, 1.1 * usual])
        waits.repeated(repeats, lambda key=key, s=slider, values=values: move(waits, key, s, next(values)))
        slider.value = usual


def move(waits: Waits, key: str, slider: Any, value: float) -> None:
    """A slider, and then draw all views."""
    import slicer

    before, began = slider.value, Moment.now()
    slider.value = float(value)
    slicer.app.processEvents()
    waits.since(began, key)
    require(slider.value != before, "The slider did not move.")
    for view in views():
        view.renderWindow().Render()
        view.renderWindow().WaitForCompletion()
    waits.since(began, f"{key}, drawn")


def choose_sample_pair(panel: Any) -> None:
    """In an empty scene."""
    import slicer

    slicer.mrmlScene.Clear(False)
    panel.ui.samplePairButton.click()
    wait_until(lambda: panel.session.parameterNode.movingSegmentation is not None)
    panel.session.parameterNode.model = MODEL
    panel.session.parameterNode.processorOnly = True


def press(button: Any, panel: Any) -> list[tuple[float, float]]:
    """Click, and wait for the end of the job; (wall, processor) seconds of every step of the main thread."""
    require(button.enabled, button.toolTip)
    clicked = step(button.click)
    return [clicked, *wait_until(lambda: not panel.session.job)]


def wait_until(condition: Callable[[], object]) -> list[tuple[float, float]]:
    import slicer

    steps, deadline = [], time.monotonic() + TIMEOUT_S
    while not condition():
        require(time.monotonic() < deadline, "The worker takes too long.")
        steps.append(step(slicer.app.processEvents))
        time.sleep(POLL_S)
    return steps


def step(function: Callable[[], object]) -> tuple[float, float]:
    began, busy = time.perf_counter(), time.thread_time()
    function()
    return time.perf_counter() - began, time.thread_time() - busy


def look_at(result: Any) -> None:
    """Draw all views, the slices through the middle of the anatomy."""
    import slicer
    from RegExplainLib.MRML.Pictures import anatomyCentre

    manager, centre = slicer.app.layoutManager(), anatomyCentre(result)
    for name in manager.sliceViewNames():
        manager.sliceWidget(name).sliceView().offscreen.fit(centre)
    node = manager.threeDWidget(0).threeDView().mrmlViewNode()
    node.SetBoxVisible(False)  # closing a scene brings box and letters back, and with them anatomy is tiny
    node.SetAxisLabelsVisible(False)
    for view in views():
        view.forceRender()


def views() -> list[Any]:
    """Three slice views and a 3D view."""
    from RegExplainLib.GUI.Views import views as shown

    return [view for _node, view in shown()]


def is_running(group: int) -> bool:
    """Whether any process of it is."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def require(truth: object, sentence: str) -> None:
    """A figure of something that did not happen is none."""
    if not truth:
        sys.exit(sentence)


if __name__ == "__main__":
    main()
