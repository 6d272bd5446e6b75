"""Comparing two scans by eye: the picture is the one that is meant, in its place, and nothing of it stays."""

import numpy as np
import pytest

import slicer
from mrml.checks import LPS, like, node_ids
from regexplain.errors import BadInputError
from RegExplainLib.MRML import ComparisonPictures as pictures
from RegExplainLib.MRML.ComparedView import CROSS_COLOR
from RegExplainLib.MRML.Comparison import MODES, Comparison
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result

# Pictures of two slices ----------------------------------------------------------------------------------------------


def slice_of(grey, seen=True):
    """(rows, columns, 4) of (rows, columns) greys."""
    grey = np.asarray(grey, np.uint8)
    return np.stack((grey, grey, grey, np.where(seen, 255, 0) * np.ones_like(grey)), axis=-1).astype(np.uint8)


DARK, BRIGHT = slice_of(np.full((40, 60), 50)), slice_of(np.full((40, 60), 200))


def test_a_blend_goes_from_one_scan_to_the_other():
    assert [int(pictures.blend(DARK, BRIGHT, share)[3, 4, 0]) for share in (0, 0.5, 1)] == [50, 125, 200]


@pytest.mark.parametrize("fields", [2, 6, 10])
def test_a_checkerboard_has_as_many_fields_along_its_longer_side_as_asked_for(fields):
    board = pictures.checkerboard(DARK, BRIGHT, fields)[..., 0]
    assert board[0, 0] == 50
    for line, many in ((board[0], fields), (board[:, 0], np.ceil(fields * 40 / 60))):
        assert 1 + np.count_nonzero(np.diff(line.astype(int))) == many
    assert abs(board.mean() - 125) < 30


def test_a_swipe_has_the_fixed_scan_left_of_its_line():
    picture = pictures.swipe(DARK, BRIGHT, 20)
    assert (picture[:, :20] == 50).all() and (picture[:, 21:] == 200).all() and (picture[:, 20] == 255).all()


@pytest.mark.parametrize("column", [-5, 0, 59, 99])
def test_a_swipe_beyond_the_view_ends_at_its_border(column):
    assert pictures.swipe(DARK, BRIGHT, column).shape == (40, 60, 3)


def test_a_difference_is_red_where_the_moving_scan_is_brighter_and_black_where_they_agree():
    assert pictures.difference(DARK, BRIGHT)[0, 0].tolist() == [150, 0, 0]
    assert pictures.difference(BRIGHT, DARK)[0, 0].tolist() == [0, 150, 150]
    assert not pictures.difference(BRIGHT, BRIGHT).any()
    assert not pictures.difference(BRIGHT, slice_of(np.zeros((40, 60)), seen=False)).any()


def test_two_colours_are_grey_where_both_are_alike():
    assert pictures.twoColours(BRIGHT, BRIGHT)[0, 0].tolist() == [200, 200, 200]
    assert pictures.twoColours(DARK, BRIGHT)[0, 0].tolist() == [200, 50, 200]


def test_edges_lie_where_the_brightness_changes_and_are_a_line():
    rows, columns = np.mgrid[:120, :160]
    distance = np.hypot(rows - 60, columns - 80)
    disc = slice_of(200 / (1 + np.exp((distance - 40) / 2)))
    seen = np.argwhere((pictures.edges(slice_of(np.zeros((120, 160))), disc) == pictures.EDGE_COLOR).all(-1))
    off = np.abs(np.hypot(seen[:, 0] - 60, seen[:, 1] - 80) - 40)
    assert off.max() < 1.5 and 2 * np.pi * 40 * 0.8 < len(seen) < 2 * np.pi * 40 * 1.6


def test_a_scan_without_edges_has_none():
    assert np.array_equal(pictures.edges(DARK, BRIGHT), DARK[..., :3])


# In views ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def truth(truths):
    return truths["oblique"]


def state(scene):
    """What every node holds, but for what views note of themselves as they are drawn."""
    nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return {node.GetID(): node.GetMTime() for node in nodes if not node.IsA("vtkMRMLAbstractViewNode")}


@pytest.fixture
def compared(views, result):
    """The slice views, fitted, and a comparison in them."""
    for view in views:
        view.fit(result.fixed.GetScene() and centre(result))
        view.render()
    comparison = Comparison(result, [(view.sliceNode, view.window, lambda: None) for view in views])
    yield comparison
    comparison.close()


def centre(result):
    bounds = [0.0] * 6
    result.fixed.GetRASBounds(bounds)
    return np.reshape(bounds, (3, 2)).mean(axis=1)


def without_outlines(result):
    for node in (result.fixedSegmentation, result.warpedSegmentation):
        node.SetDisplayVisibility(False)


def alone(result, view, role):
    """The picture of one scan in a view."""
    view.compositeNode.SetBackgroundVolumeID(result.node(role).GetID())
    picture = view.render()
    view.compositeNode.SetBackgroundVolumeID(result.fixed.GetID())
    return picture


@pytest.mark.parametrize("against", ["warpedMoving", "moving"])
def test_flickering_shows_either_scan_as_slicer_draws_it(views, result, compared, against):
    without_outlines(result)
    expected = [{role: alone(result, view, role) for role in ("fixed", against)} for view in views]
    compared.mode, compared.against = "flicker", against
    for role in ("fixed", against):
        compared.movingShown = role == against
        compared.update()
        for view, pictures_of in zip(views, expected, strict=True):
            assert np.abs(view.render().astype(int) - pictures_of[role]).max() <= 1
    assert against == "warpedMoving" or np.abs(expected[0]["fixed"].astype(int) - expected[0][against]).max() > 50


def test_the_picture_follows_the_slice(views, result, compared):
    without_outlines(result)
    view = views[0]
    compared.mode, compared.movingShown = "flicker", True
    compared.update()
    first = view.render()
    view.sliceNode.SetSliceOffset(view.sliceNode.GetSliceOffset() + 6)
    assert np.abs(view.render().astype(int) - alone(result, view, "warpedMoving")).max() <= 1
    assert np.abs(view.render().astype(int) - first).max() > 20


def test_outlines_stay_on_top_of_every_mode(views, result, compared):
    red = np.array((0.95, 0.15, 0.15)) * 255
    for mode in MODES:
        compared.mode = mode
        compared.update()
        assert like(views[0].render(), red, 60).sum() > 50, mode


def test_a_comparison_leaves_views_and_scene_as_they_were(views, result, scene):
    view = views[0]
    view.fit(centre(result))
    before, nodes, held = view.render(), node_ids(scene), state(scene)
    props = view.window.GetRenderers().GetFirstRenderer().GetViewProps().GetNumberOfItems()
    comparison = Comparison(result, [(view.sliceNode, view.window, lambda: None)])
    for mode in MODES:
        comparison.mode = mode
        comparison.update()
        assert not np.array_equal(view.render(), before) or mode == "flicker"
    comparison.setLinked(True)
    comparison.close()
    assert np.array_equal(view.render(), before)
    assert node_ids(scene) == nodes and state(scene) == held
    assert view.window.GetRenderers().GetFirstRenderer().GetViewProps().GetNumberOfItems() == props


def test_a_view_that_shows_nothing_else_can_be_compared_in_too(views, result, compared):
    """As in a layout of the user's own, whose view is empty."""
    without_outlines(result)
    views[0].compositeNode.SetBackgroundVolumeID(None)
    compared.update()
    assert views[0].render().max() > 100


# The mouse -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def crosshair(scene):
    """The application has one in every scene."""
    node = scene.AddNode(slicer.vtkMRMLCrosshairNode())  # the one that is there, where one is
    yield node
    scene.RemoveNode(node)


def point_at(crosshair, view, x, y):
    """Move the mouse, in pixels from the lower left; gives the point under it, RAS mm."""
    ras = np.array(view.sliceNode.GetXYToRAS().MultiplyPoint((x, y, 0, 1)))[:3]
    crosshair.SetCursorPositionXYZ([x, y, 0], view.sliceNode)
    crosshair.SetCursorPositionRAS(ras.tolist())
    return ras


def test_the_swipe_line_follows_the_mouse_in_the_view_under_it(crosshair, views, result, compared):
    without_outlines(result)
    compared.mode, compared.against = "swipe", "moving"
    compared.update()
    point_at(crosshair, views[0], 120, 200)
    line = (views[0].render() == 255).all(axis=-1).all(axis=0)
    assert np.flatnonzero(line).tolist() == [120]
    assert np.flatnonzero((views[1].render() == 255).all(axis=-1).all(axis=0)).tolist() == [250]


def test_the_cross_shows_where_the_moving_scan_as_it_came_has_the_point(crosshair, views, result, truth, compared):
    told, drawn = [], []
    compared.onPoint = lambda fixed, moving: told.append((fixed, moving))
    compared.mode, compared.against = "blend", "moving"
    compared.setLinked(True)
    compared.update()
    ras = point_at(crosshair, views[0], 260, 240)
    expected = truth.moving_points(ras[None] * LPS)[0] * LPS
    assert np.allclose(told[-1], (ras, expected), atol=0.05)
    for view in views:
        seen = np.argwhere(like(view.render(), np.array(CROSS_COLOR) * 255, 40))
        if len(seen) > 10:  # else it lies far from the slice, and is faint
            assert np.allclose(seen.mean(axis=0), view.toPixel(expected), atol=1.5)
            drawn.append(view)
    assert drawn
    compared.setLinked(False)
    assert not like(views[0].render(), np.array(CROSS_COLOR) * 255, 40).any()


def test_after_the_end_the_mouse_draws_nothing(crosshair, views, result, compared):
    compared.setLinked(True)
    compared.close()
    before = views[0].render()
    point_at(crosshair, views[0], 260, 240)
    assert np.array_equal(views[0].render(), before)


# What cannot be compared ---------------------------------------------------------------------------------------------


def test_a_difference_of_two_contrasts_is_refused_in_a_sentence(views, result, compared):
    array = slicer.util.arrayFromVolume(result.warpedMoving)
    array[:] = np.where(array > 100, 1000 - array, 0)
    compared.mode = "difference"
    with pytest.raises(BadInputError, match="The two scans are of different contrasts"):
        compared.update()


def test_a_scan_that_the_user_deleted_is_said(views, scene, result, compared):
    scene.RemoveNode(result.warpedMoving)
    with pytest.raises(BadInputError, match="This result lacks one of the two scans"):
        compared.update()


def test_a_result_without_its_warped_image_gets_one(scene, truth, copied):
    expected = slicer.util.arrayFromVolume(ResultNodes.load(truth.folder).warpedMoving).copy()
    (copied / "warped_moving.nii.gz").unlink()
    made = ResultNodes.load(copied).warpedMoving
    assert np.allclose(slicer.util.arrayFromVolume(made), expected, atol=0.5)


def test_an_affine_result_can_be_compared(views, scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "r", kind="affine")
    comparison = Comparison(ResultNodes.load(truth.folder), [(views[0].sliceNode, views[0].window, lambda: None)])
    comparison.update()
    views[0].render()
    comparison.close()
