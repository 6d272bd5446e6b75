"""The maps of `regexplain error` lie over the fixed scan, in mm, and are clear where nothing can be told."""

import numpy as np
import pytest
import SimpleITK as sitk

from mrml.checks import LPS, check_place
from regexplain.results import ResultFolder
from regexplain.results.expected_error import STATES, ExpectedError
from regexplain.volumes.geometry import Grid
from RegExplainLib.MRML.Layers import ErrorLayer
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result

INDEX = (10, 14, 9)


@pytest.fixture
def folder(tmp_path):
    """An oblique result, 1 mm expected everywhere but 6.5 in one voxel; of one slice nothing can be told."""
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "r", grid="oblique").folder)
    fixed = sitk.ReadImage(str(folder.require("fixed.nii.gz")))
    expected = np.ones(fixed.GetSize()[::-1], np.float32)
    expected[INDEX[::-1]], expected[0] = 6.5, 0
    told = np.where(expected > 0, STATES["estimated"], STATES["flat"]).astype(np.uint8)
    grid = Grid.of(fixed)
    images = [grid.image(a) for a in (expected, expected * 1.5, told)]
    folder.add(
        ExpectedError(*images, {"name": "e", "version": "1", "sha256": "0" * 64}, 4.0, None, grid.image(-expected))
    )
    return folder


def layer_of(result, name) -> ErrorLayer:
    return next(layer for layer in result.layers() if layer.key == f"error {name}")


@pytest.mark.parametrize("name", ["expected", "bound90"])
def test_a_map_lies_over_the_fixed_scan_in_millimetres(scene, folder, name):
    result = ResultNodes.load(folder.path)
    layer = layer_of(result, name).add()
    image = sitk.ReadImage(str(folder.require(f"error/{name}.nii.gz")))
    check_place(layer.volume, image)
    assert np.allclose(layer.hottestPoint(), Grid.of(image).world(np.array(INDEX)) * LPS, atol=1e-3)
    assert layer.range == (0.0, {"expected": 7.0, "bound90": 10.0}[name]) and layer.unit.startswith("mm")
    assert {view.GetBackgroundVolumeID() for view in result.sliceComposites()} == {result.node("fixed").GetID()}


def test_what_cannot_be_told_is_clear_and_small_errors_are_not(scene, folder):
    layer = layer_of(ResultNodes.load(folder.path), "expected").add()
    alpha = {mm: color_at(layer, mm)[3] for mm in (0.0, 0.5, 6.5)}
    assert alpha == {0.0: 0.0, 0.5: 1.0, 6.5: 1.0}


def color_at(layer, mm):
    low, high = layer.range
    table = layer.node("colors")
    color = [0.0] * 4
    table.GetColor(round((mm - low) / (high - low) * (table.GetNumberOfColors() - 1)), color)
    return color


def test_what_made_it_doubt_has_two_signs(scene, folder):
    layer = layer_of(ResultNodes.load(folder.path), "doubt").add()
    assert layer.range == (-6.5, 6.5)


def test_a_layer_comes_back_with_a_saved_scene(scene, folder, tmp_path):
    layer_of(ResultNodes.load(folder.path), "expected").add()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    [reopened] = ResultNodes.find(scene)
    layer = layer_of(reopened, "expected")
    assert layer.added and layer.range == (0.0, 7.0)


def test_a_result_without_an_estimate_has_no_such_layers(result):
    assert not [layer for layer in result.layers() if isinstance(layer, ErrorLayer)]
