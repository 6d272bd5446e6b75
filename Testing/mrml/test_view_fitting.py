"""What is new to the views is seen in them at once; then zoom, place and camera are the user's."""

import numpy as np
import pytest

from mrml.checks import GOLD, LPS, RED, like, node_ids, without_bars
from RegExplainLib.MRML import Conversion
from RegExplainLib.MRML.Anatomy import anatomyBounds, anatomyCentre, largestDisplacement
from RegExplainLib.MRML.Layers import GlyphLayer
from RegExplainLib.MRML.OtherOutlines import HIDDEN
from RegExplainLib.MRML.ResultNodes import ResultNodes
from RegExplainLib.MRML.ViewFitting import showVolume
from synthetic_result import BUMP_OFFSET, write_synthetic_result


@pytest.fixture
def astray(pictures):
    """The slice views, as those of a scene that was something else before: far off, and of another size."""
    for view in pictures.sliceViews:
        view.setFieldOfView(700.0)
        view.sliceNode.JumpSliceByCentering(300.0, -300.0, 300.0)
    return pictures.sliceViews


def state(view):
    return view.fieldOfView, view.sliceNode.GetSliceOffset()


def test_a_result_fills_the_views_that_looked_elsewhere(views, astray, result):
    result.showSpace("fixed")
    assert max(without_bars(view.render()).max() for view in views) == 0  # black
    result.enterViews()
    for view in views:
        picture = view.render().max(axis=2)
        assert (picture > 60).mean() > 0.1
        assert picture[[0, -1]].max() < 120 and picture[:, [0, -1]].max() < 120  # nothing is cut


def test_a_volume_is_shown_whole_through_its_middle(views, astray, scene, truths):
    import SimpleITK as sitk

    volume = Conversion.addVolume(scene, sitk.ReadImage(str(truths["plain"].folder / "fixed.nii.gz")), "Fixed")
    showVolume(volume)
    for view in views:
        assert view.compositeNode.GetBackgroundVolumeID() == volume.GetID()
        assert (view.render().max(axis=2) > 60).mean() > 0.1


def test_the_slices_are_placed_where_most_moved(astray, scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", segmentations=False)
    ResultNodes.load(truth.folder).enterViews()
    for view in astray:
        normal = np.array([view.sliceNode.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
        assert abs(view.sliceNode.GetSliceOffset() - normal @ ((truth.centre + BUMP_OFFSET) * LPS)) < 1.5


def test_the_users_own_zoom_and_place_are_kept_from_then_on(pictures, result):
    result.enterViews()
    for view in pictures.sliceViews:
        view.setFieldOfView(33.0)
        view.sliceNode.SetSliceOffset(view.sliceNode.GetSliceOffset() + 2.0)
    before = [state(view) for view in pictures.sliceViews]
    for layer in result.layers():
        layer.add()
        layer.hide()
    result.showSpace("fixed")
    result.leaveViews()
    result.enterViews(fitted=False)
    assert np.allclose([state(view) for view in pictures.sliceViews], before)


def test_the_3d_camera_turns_about_the_anatomy_and_sees_it_whole(views, pictures, result):
    view = pictures.threeDView
    view.render()
    camera = view._renderer.GetActiveCamera()
    camera.SetFocalPoint(500, 0, 0)
    camera.SetPosition(500, 800, 0)
    GlyphLayer(result).add()
    result.enterViews()
    np.testing.assert_allclose(camera.GetFocalPoint(), anatomyCentre(result), atol=1e-3)
    np.testing.assert_allclose(camera.GetDirectionOfProjection(), (0, -1, 0), atol=1e-6)  # the side it was on
    picture = without_bars(view.render())
    seen = np.argwhere(like(picture, np.array(RED) * 255, 90) | like(picture, np.array(GOLD) * 255, 90))
    assert np.ptp(seen, axis=0).max() > 80 and seen.min() > 10 and seen.max() < 489


def test_without_a_segmentation_the_camera_is_set_on_the_tissue(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", segmentations=False)
    bounds = anatomyBounds(ResultNodes.load(truth.folder))
    np.testing.assert_allclose(bounds.mean(axis=1), truth.centre * LPS, atol=1.5)
    np.testing.assert_allclose(np.ptp(bounds, axis=1) / 2, (19, 21, 18), atol=3)


def test_nothing_is_sought_in_air(result, truth):
    lengths = np.linalg.norm(truth.displacement(largestDisplacement(result)[None] * LPS), axis=1)
    assert lengths > 0.8 * result.record["displacement_mm"]["max"]


# Outlines that are not of the result ----------------------------------------------------------------------------------


@pytest.fixture
def own(scene, truths):
    """The user's own segmentations: one that is seen, and one that is not."""
    import SimpleITK as sitk

    labels = sitk.ReadImage(str(truths["plain"].folder / "fixed_segmentation.nii.gz"))
    nodes = [Conversion.addSegmentation(scene, labels, name, (0, 1, 0)) for name in ("Seen", "Hidden")]
    nodes[1].SetDisplayVisibility(False)
    return nodes


def visible(nodes):
    return [bool(node.GetDisplayVisibility()) for node in nodes]


def test_a_results_outlines_stand_alone_and_the_users_own_come_back_when_it_leaves(scene, own, truths):
    result = ResultNodes.load(truths["plain"].folder)
    result.enterViews()
    assert visible(own) == [False, False]
    result.leaveViews()
    assert visible(own) == [True, False] and not [n for n in own if n.GetAttribute(HIDDEN)]
    assert visible([result.fixedSegmentation, result.warpedSegmentation]) == [False, False]


def test_the_users_own_outlines_come_back_when_the_result_is_removed_also_from_a_saved_scene(
    scene, own, truths, tmp_path
):
    ResultNodes.load(truths["plain"].folder).enterViews()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    nodes = [scene.GetFirstNodeByName(name) for name in ("Seen", "Hidden")]
    assert visible(nodes) == [False, False]
    ResultNodes.find(scene)[0].remove()
    assert visible(nodes) == [True, False]


def test_an_outline_that_the_user_shows_meanwhile_stays(own, truths):
    result = ResultNodes.load(truths["plain"].folder)
    result.enterViews()
    own[0].SetDisplayVisibility(True)
    for layer in result.layers():
        layer.add().hide()
    assert visible(own) == [True, False]


def test_no_green_is_seen_beside_red_and_gold(views, own, truths):
    result = ResultNodes.load(truths["plain"].folder)

    def green():
        pictures = [view.render().astype(int) for view in views]
        return sum((picture[..., 1] - picture[..., 0] > 80).sum() for picture in pictures)

    result.enterViews()
    assert green() == 0
    result.leaveViews()
    assert green() > 500


# Removing -------------------------------------------------------------------------------------------------------------


def test_removing_a_result_removes_every_node_once_and_writes_no_error(scene, truths, capfd):
    before = node_ids(scene)
    result = ResultNodes.load(truths["plain"].folder)
    for layer in result.layers():
        layer.add()
    capfd.readouterr()
    result.remove()
    assert node_ids(scene) == before
    assert capfd.readouterr().err == ""
