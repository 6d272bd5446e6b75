"""The .mrb that a user opens in Slicer: whole, self-contained, and telling nothing of where it was made."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mrml.checks import (
    HIGH,
    LOW,
    bar_pixels,
    check_arrows,
    check_chain,
    check_hottest_voxel,
    inside_points,
    read_png,
    surface_points,
    through_nodes,
)
from RegExplainLib.MRML.Layers import AnimationLayer, GlyphLayer, HeatmapLayer
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import STAGES, canvas_of

PICTURES = {
    *("overview.png", "outlines.png", "glyphs-slice.png", "glyphs-3d.png"),
    *(f"heatmap-{stage}.png" for stage in STAGES),
    *("displacement.png", "jacobian.png", "inverse-consistency.png"),
    *("animation-registration.png", "animation-component-01.png", "animation-component-02.png"),
}


# VTK ends a process that draws without a GL library; a machine that has one ends its trial in the same way.
WITHOUT_GL = """
import sys
from RegExplainLib.MRML import Gl, __main__
Gl.TRIAL = "import os; os._exit(1)"
sys.exit(__main__.main())
"""


def run(result, folder, start=("-m", "RegExplainLib.MRML")):
    """The module as `regexplain scene` starts it: (exit code, events)."""
    command = [sys.executable, *start, str(result), "--scene", str(folder / "scene.mrb")]
    command += ["--pictures", str(folder / "pictures")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def made(truths, tmp_path_factory):
    """The folder with the scene and the pictures of the oblique result, and what was said while they were made."""
    folder = tmp_path_factory.mktemp("made")
    source = shutil.copytree(truths["oblique"].folder, folder / "Doe^Jane" / "result")
    code, events = run(source, folder)
    assert code == 0
    shutil.rmtree(source)  # so that a scene that still needs it fails
    return folder, events


@pytest.fixture
def reopened(made, scene):
    assert scene.ReadFromMRB(str(made[0] / "scene.mrb"))
    [result] = ResultNodes.find(scene)
    return result


def test_every_layer_is_in_the_file(reopened):
    layers = reopened.layers()
    assert len(layers) == 10 and all(layer.added for layer in layers)
    assert [layer.key for layer in layers if layer.visible] == ["glyphs"]
    for layer in layers:
        layer.show()
        assert layer.visible


def test_everything_in_the_file_is_where_it_was(reopened, truths):
    truth = truths["oblique"]
    check_chain(
        reopened, truth, tolerance_mm=0.1
    )  # Slicer interpolates the grids that it reads cubically, ITK linearly
    check_arrows(GlyphLayer(reopened), truth)
    for stage in STAGES:
        check_hottest_voxel(HeatmapLayer(reopened, stage), truth)


def test_a_threshold_and_an_opacity_are_kept_and_can_be_changed(reopened):
    layer = HeatmapLayer(reopened, "decoder")
    assert (layer.threshold, layer.opacity) == (0.25, 0.5)
    table = layer.node("colors").GetLookupTable()
    assert [table.GetTableValue(level)[3] for level in (0, 127, 255)] == [1.0, 0.0, 1.0]
    layer.setThreshold(0.9)
    assert table.GetTableValue(200)[3] == 0.0


def test_the_animation_still_plays_the_same_warps(reopened, truths):
    truth, layer = truths["oblique"], AnimationLayer(reopened, 1)
    nodes = reopened.scene.GetNumberOfNodes()
    points, still = inside_points(canvas_of(truth.fixed), 50), surface_points(reopened.fixedSegmentation)
    for strength in (0.0, 1.0, 2.0, -2.0):
        layer.setStrength(strength)
        expected = points + truth.component_displacement(1, strength, points)
        np.testing.assert_allclose(through_nodes(points, layer.warp, None), expected, atol=0.05)
        assert layer.node("segmentation").GetParentTransformNode() is layer.warp
        moved = through_nodes(still, layer.warp, None)
        assert np.linalg.norm(moved - still, axis=1).max() == pytest.approx(1.5 * abs(strength), abs=0.2)
    assert reopened.scene.GetNumberOfNodes() == nodes  # a new proxy node would have broken the chain


def test_the_outlines_come_back_as_surfaces_in_their_colours(reopened):
    for node in (reopened.fixedSegmentation, AnimationLayer(reopened, 2).node("segmentation")):
        assert len(surface_points(node)) > 100
        assert node.GetDisplayNode().GetPreferredDisplayRepresentationName2D() == "Closed surface"


def test_a_reopened_result_can_be_removed_whole(reopened, scene):
    reopened.remove()
    left = {scene.GetNthNode(n).GetName() for n in range(scene.GetNumberOfNodes())}
    assert not [name for name in left if re.match("Fixed|Moving|Warped|Heatmap|Component|Displacement|Alignment", name)]


def test_nothing_in_the_file_tells_where_it_was_made(made):
    secrets = [str(made[0]), "Doe", "/tmp", "regexplain-"]
    secrets += [str(Path.home())] if Path.home() != Path("/") else []  # the home of a user without one, in a container
    with zipfile.ZipFile(made[0] / "scene.mrb") as archive:
        for entry in archive.infolist():
            text = entry.filename.encode() + archive.read(entry)
            assert not [secret for secret in secrets if secret.encode() in text], entry.filename
        [mrml] = [name for name in archive.namelist() if name.endswith(".mrml")]
        scene = archive.read(mrml).decode()
    files = re.findall(r'fileName="([^"]*)"', scene)
    assert len(files) > 15 and not [name for name in files if name.startswith(("/", "file:")) or ":" in name]


def test_slicer_takes_the_file_for_one_of_its_own(made):
    """Under another application's name it warns that the scene may not load correctly."""
    with zipfile.ZipFile(made[0] / "scene.mrb") as archive:
        [mrml] = [name for name in archive.namelist() if name.endswith(".mrml")]
        assert re.search(r'<MRML +version="Slicer 5\.10\.', archive.read(mrml).decode())


def test_progress_is_told_in_json_lines(made):
    events = made[1]
    assert {event["event"] for event in events} <= {"progress", "warning", "finished"}
    assert events[-1]["event"] == "finished" and events[-1]["result"].endswith("result")
    for event in events:
        if event["event"] == "progress":
            assert 0 <= event["done"] <= event["total"] and event["stage"]


def test_every_layer_has_its_picture(made, canDraw):
    if not canDraw:
        pytest.skip("no GL library here to draw with (libegl1 and libgl1, or libosmesa6)")
    assert {path.name for path in (made[0] / "pictures").iterdir()} == PICTURES
    assert not list(made[0].glob(".*"))


def test_every_map_and_the_arrows_have_their_colour_bar_in_every_view_of_their_picture(made, canDraw):
    if not canDraw:
        pytest.skip("no GL library here to draw with (libegl1 and libgl1, or libosmesa6)")
    for name in sorted(PICTURES):
        picture = read_png(made[0] / "pictures" / name)
        for view in np.split(picture, picture.shape[1] // 500, axis=1):
            found = len(bar_pixels(view, LOW)) > 500, len(bar_pixels(view, HIGH)) > 500
            assert found == (name.startswith("glyphs"), not re.match("glyphs|animation|overview|outlines", name)), name


@pytest.mark.ci
def test_without_a_gl_library_the_scene_is_made_and_a_warning_names_what_to_install(truths, tmp_path):
    code, events = run(truths["plain"].folder, tmp_path, start=("-c", WITHOUT_GL))
    assert code == 0 and events[-1]["event"] == "finished"
    [warning] = [event["message"] for event in events if event["event"] == "warning"]
    assert "libosmesa6" in warning and "libegl1" in warning
    assert (tmp_path / "scene.mrb").is_file() and not (tmp_path / "pictures").exists()


@pytest.mark.ci
def test_a_folder_that_is_no_result_ends_with_one_sentence_and_writes_nothing(tmp_path):
    code, events = run(tmp_path, tmp_path / "out")
    assert code == 2 and [event["event"] for event in events] == ["error"]
    assert "is not a result" in events[0]["message"] and not (tmp_path / "out").exists()


@pytest.mark.ci
def test_a_place_that_cannot_be_written_ends_with_one_sentence(truths, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, events = run(truths["plain"].folder, tmp_path / "file")
    assert (
        code == 1 and events[-1]["event"] == "error" and (tmp_path / "file").read_text(encoding="utf-8") == "in the way"
    )
