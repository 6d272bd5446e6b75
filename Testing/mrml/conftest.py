"""One scene of slicer-core for all tests of RegExplainLib.MRML, and results whose every number is known."""

import importlib.util
import shutil

import pytest

import offscreen
from synthetic_result import write_synthetic_result


class WithoutSlicerCore(pytest.Module):
    def collect(self):
        pytest.skip("slicer-core is not installed: it has wheels for some machines only", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    if importlib.util.find_spec("vtk") is None:
        return WithoutSlicerCore.from_parent(parent, path=module_path)
    return None


@pytest.fixture(scope="session")
def headless():
    from RegExplainLib.MRML.Headless import Headless

    return Headless.start()


@pytest.fixture(scope="session")
def pictures(headless):
    return offscreen.pictures(headless)


@pytest.fixture(scope="session")
def stageViews(headless, pictures):
    """Those of StagesLayout: the application makes them with the layout, and there is one of each name."""
    from RegExplainLib.MRML.CustomLayout import viewName
    from RegExplainLib.MRML.OffscreenViews import SliceView

    return [SliceView(headless, viewName(number), "Axial") for number in (1, 2, 3)]


@pytest.fixture
def scene(headless, pictures):
    """An empty scene with slice views."""
    headless.clear()
    for view in pictures.sliceViews:
        view.compositeNode.SetBackgroundVolumeID(None)
        view.compositeNode.SetForegroundVolumeID(None)
    return headless.scene


@pytest.fixture(scope="session")
def canDraw():
    from RegExplainLib.MRML import Gl

    return Gl.canRender()


@pytest.fixture
def views(canDraw, scene, pictures):
    """The axial, coronal and sagittal view, able to draw."""
    if not canDraw:
        pytest.skip("no GL library here to draw with (libegl1 and libgl1, or libosmesa6)")
    return pictures.sliceViews


@pytest.fixture(scope="session")
def truths(tmp_path_factory):
    """Results by grid; tests must not write in their folders."""
    return {g: write_synthetic_result(tmp_path_factory.mktemp(g) / "result", grid=g) for g in ("plain", "oblique")}


@pytest.fixture(params=["plain", "oblique"])
def truth(request, truths):
    return truths[request.param]


@pytest.fixture
def result(scene, truth):
    from RegExplainLib.MRML.ResultNodes import ResultNodes

    return ResultNodes.load(truth.folder)


@pytest.fixture
def copied(truth, tmp_path):
    """A copy of the result folder, to change."""
    return shutil.copytree(truth.folder, tmp_path / "copy")
