"""Landmarks lie over their scan: the ball where the point should be, the line from where it was carried."""

import numpy as np
import pytest
from vtk.util.numpy_support import vtk_to_numpy

from equivalent_scans import points_in
from mrml.checks import LPS, like, node_ids
from regexplain import RegistrationResult, measure_landmarks
from regexplain.errors import BadInputError
from regexplain.landmarks.pairs import LandmarkPairs
from regexplain.results import ResultFolder
from RegExplainLib.MRML.Layers import LandmarkLayer
from RegExplainLib.MRML.Layers.LandmarkLayer import COLOR
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result

OFF = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0], [0.0, 3.0, 1.0]])


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """An oblique result with three landmarks; the second is furthest off, by 6 mm."""
    truth = write_synthetic_result(tmp_path_factory.mktemp("marked") / "r", grid="oblique", heatmaps=False)
    fixed = points_in(truth.fixed, 3, seed=5, margin=0.3)
    pairs = LandmarkPairs(("a", "b", "c"), fixed, truth.moving_points(fixed) + OFF)
    found = measure_landmarks(RegistrationResult.load(truth.folder), pairs)
    ResultFolder.open(truth.folder).add(found)
    return truth, found


@pytest.fixture
def result(scene, marked):
    return ResultNodes.load(marked[0].folder)


def ends(found, space):
    """(N, 3) each, LPS: where a line begins, and where its ball is."""
    pairs = found.pairs
    return (found.carried_back, pairs.fixed) if space == "fixed" else (found.carried, pairs.moving)


def points_of(layer, role):
    """(N, 3), LPS."""
    return vtk_to_numpy(layer.node(role).GetPolyData().GetPoints().GetData()) * LPS


@pytest.mark.parametrize("space", ["fixed", "moving"])
def test_a_line_goes_from_where_the_point_was_carried_to_its_ball(result, marked, space):
    layer = LandmarkLayer(result, space).add()
    carried, wanted = ends(marked[1], space)
    np.testing.assert_allclose(points_of(layer, "lines"), np.stack((carried, wanted), 1).reshape(-1, 3), atol=1e-3)
    balls = points_of(layer, "balls").reshape(len(wanted), -1, 3)
    np.testing.assert_allclose(balls.mean(axis=1), wanted, atol=1e-3)
    shown = {composite.GetBackgroundVolumeID() for composite in result.sliceComposites()}
    assert shown == {result.node(space).GetID()}


def test_the_line_is_as_long_as_the_landmark_is_off(result, marked):
    carried, wanted = LandmarkLayer(result, "moving").points()
    assert np.allclose(np.linalg.norm(wanted - carried, axis=1), marked[1].distances["after"])
    assert np.allclose(LandmarkLayer(result).worstPoint() * LPS, marked[1].pairs.fixed[1])


def test_landmarks_of_one_scan_take_the_place_of_those_of_the_other(scene, result):
    before = node_ids(scene)
    fixed, moving = LandmarkLayer(result), LandmarkLayer(result, "moving")
    fixed.add()
    moving.add()
    assert moving.visible and not fixed.visible
    moving.remove()
    fixed.remove()
    assert node_ids(scene) == before


def test_landmarks_are_found_again_in_a_scene_that_was_saved(scene, result, tmp_path):
    LandmarkLayer(result).add()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    [reopened] = ResultNodes.find(scene)
    layer = next(layer for layer in reopened.layers() if layer.key == "landmarks fixed")
    assert layer.visible
    layer.remove()
    assert not layer.added


def test_a_slice_shows_the_landmark_that_lies_in_it_and_the_whole_of_its_line(views, result, marked):
    layer = LandmarkLayer(result).add()
    view, ends_of = views[0], layer.points()
    view.fit(ends_of[1][1])
    seen = np.argwhere(like(view.render(), np.array(COLOR) * 255, 60))
    for point in (ends_of[0][1], ends_of[1][1]):  # the line's beginning lies out of the slice
        assert np.linalg.norm(seen - view.toPixel(point), axis=1).min() < 6
    layer.hide()
    assert not like(view.render(), np.array(COLOR) * 255, 60).any()


def test_without_landmarks_there_is_no_such_layer(scene, truths):
    result = ResultNodes.load(truths["plain"].folder)
    assert not [layer for layer in result.layers() if isinstance(layer, LandmarkLayer)]
    with pytest.raises(BadInputError, match="This result has no landmarks"):
        LandmarkLayer(result).add()
