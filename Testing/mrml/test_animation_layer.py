"""A component's warp on the fixed segmentation: red as it is, gold as the component has it."""

import time

import numpy as np
import pytest

import slicer
from mrml.checks import GOLD, LPS, RED, check_gold_outline, inside_points, like, surface_points, through_nodes
from RegExplainLib.MRML.Layers import AnimationLayer
from RegExplainLib.MRML.Layers.AnimationLayer import backAndForth
from synthetic_result import STRENGTHS, canvas_of


@pytest.fixture(params=[1, 2])
def layer(request, result):
    return AnimationLayer(result, request.param).add()


def test_the_frames_go_up_and_down_through_all_strengths_without_a_jump(layer):
    strengths = layer.strengths
    assert set(strengths) == set(STRENGTHS) and strengths[0] == 0
    assert max(abs(a - b) for a, b in zip(strengths, strengths[1:] + strengths[:1], strict=True)) == 0.5
    assert len(strengths) == layer.browser.GetNumberOfItems()


@pytest.mark.parametrize(
    ("strengths", "frames"),
    [
        ([-1, 0, 1], [0, 1, 0, -1]),
        ([0, 1, 2], [0, 1, 2, 1]),
        ([-2, -1, 3], [-1, 3, -1, -2]),
        ([1], [1]),
        ([0, 1], [0, 1]),
    ],
)
def test_any_choice_of_strengths_makes_a_loop(strengths, frames):
    assert backAndForth(strengths) == frames


def test_each_frame_pulls_back_by_its_components_displacement(layer, truth):
    points = inside_points(canvas_of(truth.fixed), 100)
    for strength in STRENGTHS:
        layer.setStrength(strength)
        expected = points + truth.component_displacement(layer.componentIndex, strength, points)
        np.testing.assert_allclose(through_nodes(points, None, layer.warp), expected, atol=0.05)


def test_the_gold_outline_lies_where_the_component_puts_it(views, layer, truth):
    for view in views[::2] if layer.componentIndex == 2 else views[:2]:
        check_gold_outline(layer, truth, view, 2.0)


def test_at_strength_zero_gold_covers_red_and_at_the_largest_they_differ(views, result, truth):
    layer, view = AnimationLayer(result, 1).add(), views[0]
    view.fit(truth.centre * LPS)
    counts = []
    for strength in (0.0, 2.0):
        layer.setStrength(strength)
        picture = view.render()
        counts.append([like(picture, np.array(color) * 255, 60).sum() for color in (RED, GOLD)])
    (redBelow, goldBelow), (red, gold) = counts
    assert min(red, gold, goldBelow) > 200 and redBelow < 0.2 * red


def test_the_fixed_segmentation_itself_is_left_alone(result):
    before = surface_points(result.fixedSegmentation)
    layer = AnimationLayer(result, 1).add()
    layer.setStrength(2.0)
    np.testing.assert_array_equal(surface_points(result.fixedSegmentation), before)
    assert result.fixedSegmentation.GetParentTransformNode() is None
    colors = {result.fixedSegmentation.GetSegmentation().GetNthSegment(n).GetColor() for n in (0, 1)}
    assert colors == {(0.95, 0.15, 0.15)}


def test_only_one_gold_segmentation_is_seen_at_a_time(result):
    layer = AnimationLayer(result, 1).add()
    assert not result.warpedSegmentation.GetDisplayVisibility()
    layer.hide()
    assert result.warpedSegmentation.GetDisplayVisibility()
    result.showSpace("moving")
    layer.hide()
    assert not result.warpedSegmentation.GetDisplayVisibility()


def test_playing_steps_through_the_frames_and_hiding_stops_it(layer):
    layer.setPlaying(True)
    assert played(layer) >= 3
    layer.hide()
    assert not layer.browser.GetPlaybackActive() and played(layer) == 1


def played(layer):
    """How many frames are seen within half a second."""
    seen, end = set(), time.monotonic() + 0.6
    while time.monotonic() < end:
        slicer.modules.sequences.logic().UpdateAllProxyNodes()
        seen.add(layer.browser.GetSelectedItemNumber())
        time.sleep(0.02)
    return len(seen)
