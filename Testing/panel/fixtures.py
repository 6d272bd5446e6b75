"""Fixtures of the tests that need the stand-in host."""

import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

MODULE = Path(__file__).parents[2] / "RegExplain" / "RegExplain.py"
PATIENT = "DOE^JANE 1950-01-01"
FAKE_WORKER = Path(__file__).with_name("fake_worker.py")
TIMEOUT_S = 300  # for what no user was promised a time: a slow machine is no failure


@pytest.fixture(scope="session")
def host():
    """The stand-in for the Slicer application, running."""
    pytest.importorskip("vtk", reason="slicer-core has no wheel for this machine", exc_type=ImportError)
    pytest.importorskip("slicer", reason="slicer-core has no wheel for this machine", exc_type=ImportError)
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        pytest.skip(
            f"Qt cannot be loaded ({error}); on Debian install libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1"
        )
    if losesReferences():
        pytest.skip(
            "this PySide6 loses a reference to None with every call, which ends Python; install PySide6-Essentials<6.12"
        )
    from panel import host

    host.start()
    return host


def losesReferences():
    """Whether PySide6 has the fault of 6.12.0 on Python before 3.12."""
    from PySide6.QtCore import QObject

    calls, thing = 200, QObject()
    before = sys.getrefcount(None)
    for _ in range(calls):
        thing.setObjectName("name")
    return sys.getrefcount(None) < before - calls // 2


@pytest.fixture
def module(host, monkeypatch):
    """The module, open in an empty scene. Fails the test where a slot or a VTK observer raised."""
    import slicer
    from panel.host.application import LoadedModule
    from panel.host.strict import slotErrors
    from RegExplainLib.GUI.Install.Licences import AGREED

    slotErrors.clear()
    slicer.app.userSettings().setValue(AGREED, True)
    monkeypatch.setattr(
        sys, "excepthook", lambda *error: slotErrors.append("".join(traceback.format_exception(*error)))
    )
    slicer.mrmlScene.Clear(False)
    loaded = LoadedModule(str(MODULE))
    loaded.open()
    yield loaded
    loaded.close()
    slicer.mrmlScene.Clear(False)
    slicer.app.processEvents()
    assert not slotErrors, slotErrors[0]


@pytest.fixture
def panel(module):
    """The panel of the open module."""
    return module.parent.widgetRepresentation().self().panel


@pytest.fixture
def shown(monkeypatch, host):
    """The sentences that were shown as errors."""
    import slicer

    sentences = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **options: sentences.append(text))
    return sentences


@pytest.fixture
def volumes(panel):
    """A fixed and a moving volume, chosen in the panel."""
    parameters = panel.session.parameterNode
    parameters.fixed, parameters.moving = addVolume("Patient A"), addVolume("Patient B")
    return parameters.fixed, parameters.moving


def loadSamplePair(panel):
    """By the button of the tour, to its end."""
    panel.ui.samplePairButton.click()
    settle(panel)


@pytest.fixture
def registered(panel, volumes, worker):
    """A finished registration with a segmentation of two named segments."""
    panel.session.parameterNode.fixedSegmentation = addSegmentation("Structures", volumes[0], ["Head", "Tail"])
    press(panel, panel.ui.registerButton)
    assert panel.session.result is not None, panel.ui.statusLabel.text
    return panel.session.result


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    """The synthetic results that the fake worker copies."""
    from panel.fake_worker import TEMPLATES
    from synthetic_result import write_synthetic_result

    folder = tmp_path_factory.mktemp("templates")
    for name, options in TEMPLATES.items():
        write_synthetic_result(folder / name, **options)
    return folder


@pytest.fixture
def worker(monkeypatch, host, templates, tmp_path_factory):
    """`worker("error")` makes the panel's fake worker behave so from then on, whatever packages are installed."""
    from RegExplainLib.GUI.Install import InstallLogic
    from RegExplainLib.GUI.Jobs import WorkerProcess

    behaviour = tmp_path_factory.mktemp("worker") / "behaviour.json"
    command = [sys.executable, "-u", str(FAKE_WORKER), str(behaviour), str(templates)]
    monkeypatch.setattr(InstallLogic.InstallLogic, "missing", lambda self: [])
    monkeypatch.setattr(WorkerProcess, "workerCommand", lambda: command)

    def use(name, *more):
        behaviour.write_text(json.dumps([name, *map(str, more)]), encoding="utf-8")

    use("good")
    return use


@pytest.fixture(scope="session")
def layout(host):
    """The layout manager of a Slicer with a main window."""
    from panel.host.views import LayoutManager
    from RegExplainLib.MRML import Gl

    if not Gl.canRender():
        pytest.skip("no GL library here to draw with (libegl1 and libgl1, or libosmesa6)")
    return LayoutManager(host.start())


@pytest.fixture
def views(layout, panel, monkeypatch):
    """The same, on show."""
    import slicer

    monkeypatch.setattr(slicer.app, "layout", layout)
    return layout


def renderers(views):
    """Of the slice views."""
    shown = [views.sliceWidget(name).sliceView() for name in views.sliceViewNames()]
    return [view.renderWindow().GetRenderers().GetFirstRenderer() for view in shown]


def corner():
    """What Slicer's Data Probe writes into a view's corners, in magenta."""
    import vtk

    annotation = vtk.vtkCornerAnnotation()
    annotation.SetText(2, PATIENT)
    annotation.GetTextProperty().SetColor(1, 0, 1)
    return annotation


def addVolume(name, size=8):
    """A volume node with a ramp in it."""
    import slicer

    return slicer.util.addVolumeFromArray(np.arange(size**3, dtype=np.int16).reshape(size, size, size), name=name)


def addSegmentation(name, volume, segmentNames):
    """A segmentation node of one slab after the other."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    shape = slicer.util.arrayFromVolume(volume).shape
    for number, segmentName in enumerate(segmentNames, 1):
        mask = np.zeros(shape, np.uint8)
        mask[number] = 1
        identifier = node.GetSegmentation().AddEmptySegment("", segmentName)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, identifier, volume)
    return node


def waitUntil(condition, seconds=TIMEOUT_S):
    """Run the event loop until the condition holds."""
    import slicer

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "This did not happen in time."
        slicer.app.processEvents()
        time.sleep(0.005)


def press(panel, button, seconds=TIMEOUT_S):
    """Click a button that starts a job, and wait until it ended."""
    assert button.enabled, button.toolTip
    button.click()
    waitUntil(lambda: not panel.session.job, seconds)
    settle(panel)


def settle(panel):
    """Until all that comes into the scene or the views in steps has come."""
    from RegExplainLib.GUI.Jobs.StepRunner import StepRunner

    owners = (panel.session.selection, panel._tour, *panel._sections)
    waitUntil(
        lambda: not any(one.running for owner in owners for one in vars(owner).values() if isinstance(one, StepRunner))
    )


def keepCommands(panel, monkeypatch):
    """A list that gets the arguments of each job in place of its worker."""
    commands = []

    def start(arguments, scratch):
        commands.append(arguments)
        shutil.rmtree(scratch)

    monkeypatch.setattr(panel.session.runner, "start", start)
    return commands


def jobFolders():
    import slicer

    return sorted(Path(slicer.app.temporaryPath).glob("RegExplain-job-*"))


def isAlive(processId):
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{processId}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        return state != "Z"
    except OSError:
        return False
