"""Stages side by side, each over its own scan, and a hot spot followed from one scan to the other."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import SimpleITK as sitk

from mrml.checks import LPS, color_of, like, node_ids, without_bars
from regexplain.errors import BadInputError
from RegExplainLib.MRML.CustomLayout import PREVIOUS, layoutDescription, leaveUnknownLayout
from RegExplainLib.MRML.CustomLayout import STAGES as LAYOUT
from RegExplainLib.MRML.Layers import GlyphLayer, HeatmapLayer
from RegExplainLib.MRML.StagesLayout import StagesLayout
from synthetic_result import STAGES


@pytest.fixture
def layout(stageViews, result):
    layout = StagesLayout(result, list(STAGES))
    layout.show()
    yield layout
    layout.hide()


def middle(view):
    """RAS mm."""
    return np.array([view.sliceNode.GetSliceToRAS().GetElement(row, 3) for row in range(3)])


def normal(view):
    """Of the slice, RAS."""
    return np.array([view.sliceNode.GetSliceToRAS().GetElement(row, 2) for row in range(3)])


def test_each_stage_is_in_a_view_of_its_own_over_its_scan(layout, stageViews, result):
    assert layout.shown
    for view, (stage, grid) in zip(stageViews, STAGES.items(), strict=True):
        assert view.compositeNode.GetBackgroundVolumeID() == result.node(grid).GetID()
        assert view.compositeNode.GetForegroundVolumeID() == HeatmapLayer(result, stage).volume.GetID()


def test_every_view_is_at_the_hottest_point_of_the_first_stage_in_its_own_scan(layout, stageViews, result, truth):
    hottest = truth.hottest["encoder-fixed"][1]
    inMoving = truth.moving_points(hottest[None])[0]
    for view, grid in zip(stageViews, STAGES.values(), strict=True):
        assert abs(normal(view) @ (middle(view) - (hottest if grid == "fixed" else inMoving) * LPS)) < 0.1
    spots = HeatmapLayer(result, "encoder-fixed").hottest()
    np.testing.assert_allclose(spots["fixed"] * LPS, hottest, atol=1e-3)
    np.testing.assert_allclose(spots["moving"] * LPS, inMoving, atol=0.1)


def test_a_hot_spot_of_the_moving_scan_is_followed_to_the_fixed_one(layout, stageViews, result, truth):
    spots = HeatmapLayer(result, "encoder-moving").hottest()
    hottest = truth.hottest["encoder-moving"][1]
    np.testing.assert_allclose(spots["moving"] * LPS, hottest, atol=1e-3)
    np.testing.assert_allclose(truth.moving_points(spots["fixed"][None] * LPS)[0], hottest, atol=0.15)
    result.showPoint(spots["moving"], "moving")
    for view, grid in zip(stageViews, STAGES.values(), strict=True):
        np.testing.assert_allclose(middle(view), spots[grid], atol=1e-3)


def test_the_hot_spots_and_the_regions_are_seen_where_they_are(views, layout, stageViews, result, truth):
    for view, (stage, grid) in zip(stageViews, STAGES.items(), strict=True):
        layer = HeatmapLayer(result, stage)
        view.compositeNode.SetForegroundOpacity(1.0)
        hottest = truth.hottest[stage][1] * LPS
        result.showPoint(hottest, grid)
        rows, columns = np.nonzero(like(without_bars(view.render()), color_of(layer, 1.0), 12))
        seen, pixel_mm = np.array((rows.mean(), columns.mean())), view.fieldOfView / 500
        assert np.linalg.norm(seen - view.toPixel(hottest)) * pixel_mm < 0.5
        centre = truth.centre + (0, -7, 0)
        moved = truth.moving_points(centre[None])[0]
        result.showPoint((centre if grid == "fixed" else moved) * LPS, grid)
        view.compositeNode.SetForegroundOpacity(0.0)
        region = view.render().astype(int)
        layer.region.SetDisplayVisibility(False)
        outline = np.abs(region - view.render()).max(axis=2) > 60
        layer.region.SetDisplayVisibility(True)
        assert 100 < outline.sum() < 5000
        segment = "fixed_segmentation" if grid == "fixed" else "moving_segmentation"
        labels = sitk.ReadImage(str(truth.folder / f"{segment}.nii.gz"))
        shapes = sitk.LabelShapeStatisticsImageFilter()
        shapes.Execute(labels)
        rows, columns = np.nonzero(outline)
        box = np.array([(rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2])
        expected = view.toPixel(np.array(shapes.GetCentroid(1)) * LPS)
        assert np.linalg.norm(box - expected) * pixel_mm < 3


def test_layers_shown_meanwhile_stay_out_of_these_views(layout, stageViews, result):
    volumes = [view.compositeNode.GetForegroundVolumeID() for view in stageViews]
    GlyphLayer(result).add()
    HeatmapLayer(result, "decoder").show()
    assert [view.compositeNode.GetForegroundVolumeID() for view in stageViews] == volumes


def test_hiding_it_gives_the_old_layout_back_and_leaves_no_node(scene, stageViews, result):
    layout = StagesLayout(result, ["decoder", "encoder-moving"])
    before = layout._layoutNode.GetViewArrangement()
    nodes = node_ids(scene)
    layout.show()
    StagesLayout(result, ["decoder"]).show()
    layout.hide()
    assert layout._layoutNode.GetViewArrangement() == before and not layout.shown
    for layer in layout.layers.values():
        layer.remove()
    assert node_ids(scene) == nodes
    assert not [
        view.compositeNode.GetForegroundVolumeID()
        for view in stageViews[:2]
        if view.compositeNode.GetForegroundVolumeID()
    ]


def test_where_there_are_no_views_it_says_so_and_the_layout_is_as_it_was(stageViews, result):
    layout = StagesLayout(result, [*STAGES, "decoder"])
    before = layout._layoutNode.GetViewArrangement()
    with pytest.raises(BadInputError, match="one heatmap at a time"):
        layout.show()
    assert layout._layoutNode.GetViewArrangement() == before
    assert {view.compositeNode.GetForegroundVolumeID() for view in stageViews} == {None}


def test_a_scene_that_was_saved_side_by_side_opens_in_the_layout_before(scene, layout):
    node = layout._layoutNode
    before = int(node.GetAttribute(PREVIOUS))
    leaveUnknownLayout(scene)
    assert layout.shown  # in the session that made it, it is known
    node.SetLayoutDescription(LAYOUT, "")  # as Slicer reads it from a file
    node.SetViewArrangement(LAYOUT)
    leaveUnknownLayout(scene)
    assert node.GetViewArrangement() == before and not layout.shown
    assert [layer.region.GetDisplayNode().GetNumberOfViewNodeIDs() for layer in layout.layers.values()] == [0] * 3
    layout.show()
    assert layout.shown


def test_the_description_is_xml_with_a_view_a_stage(layout):
    root = ElementTree.fromstring(layoutDescription(layout.labels))
    tags = [view.get("singletontag") for view in root.iter("view")]
    assert tags == ["RegExplain1", "RegExplain2", "RegExplain3"]
    assert layout._layoutNode.GetLayoutDescription(LAYOUT) == layoutDescription(layout.labels)
