"""A motion on the fixed segmentation: red as it is, gold where the arrows of the motion point."""

import json
import time

import numpy as np
import pytest

import slicer
from mrml.checks import (
    GOLD,
    LPS,
    RED,
    check_gold_outline,
    inside_points,
    like,
    points_of,
    surface_points,
    through_nodes,
)
from RegExplainLib.MRML.Layers import AnimationLayer, GlyphLayer, PartAnimationLayer, RegistrationAnimationLayer
from RegExplainLib.MRML.Layers.AnimationLayer import loopOrder
from RegExplainLib.MRML.Layers.RegistrationAnimationLayer import FRAME_LIMIT_VOXELS, scaledFrames
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import (
    SEGMENT_CENTRES,
    SEGMENT_RADII,
    STRENGTHS,
    canvas_of,
    phantom_intensity,
    write_synthetic_result,
)


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
    assert loopOrder(strengths) == frames


def test_each_frame_moves_a_point_to_the_tip_of_its_components_arrow(layer, truth):
    points = inside_points(canvas_of(truth.fixed), 100)
    for strength in STRENGTHS:
        layer.setStrength(strength)
        assert layer.strength == strength
        expected = points + truth.component_displacement(layer.componentIndex, strength, points)
        np.testing.assert_allclose(through_nodes(points, layer.warp, None), expected, atol=0.05)


def test_gold_moves_as_the_component_is_called(result, truth):
    """Component 1 pushes towards left: the patient's left is the side of larger L."""
    layer = AnimationLayer(result, 1).add()
    layer.setStrength(2.0)
    still = surface_points(result.fixedSegmentation)
    moved = through_nodes(still, layer.warp, None) - still
    assert moved[:, 0].min() > 1.0 and np.abs(moved[:, 1:]).max() < 0.01


def test_another_layer_brings_back_no_second_gold_outline_and_no_still_scan(layer, result):
    layer.setImageShown(True)
    GlyphLayer(result).add()
    assert layer.visible and not result.warpedSegmentation.GetDisplayVisibility()
    shown = {composite.GetBackgroundVolumeID() for composite in result.sliceComposites()}
    assert shown == {layer.node("image").GetID()}


def test_the_gold_outline_lies_where_the_component_puts_it(views, layer, truth):
    for view in views[::2] if layer.componentIndex == 2 else views[:2]:
        check_gold_outline(
            layer, lambda points: truth.component_displacement(layer.componentIndex, 2.0, points), truth, view, 2.0
        )


def test_a_registration_is_played_from_nothing_to_all_of_it(views, result, truth):
    layer = RegistrationAnimationLayer(result).add()
    assert layer.strengths == list(range(0, 101, 10)) and layer.strength == 0
    points = inside_points(truth.fixed, 100)
    for percent in (0, 50, 100):
        layer.setStrength(percent)
        expected = points + percent / 100 * truth.displacement(points)
        np.testing.assert_allclose(through_nodes(points, layer.warp, None), expected, atol=0.15)
    check_gold_outline(layer, truth.displacement, truth, views[0], 100)
    surface = surface_points(layer.node("segmentation"))
    aligned = through_nodes(surface, layer.warp, None) - truth.centre
    radii = np.linalg.norm((aligned - SEGMENT_CENTRES[1]) / SEGMENT_RADII[1], axis=1)
    np.testing.assert_allclose(radii, 1, atol=0.2)  # in 3D it has the moving scan's shape


def test_the_frames_of_a_large_field_are_few_vectors_and_true():
    geometry = np.array([[0, -1.5, 0, 10], [1, 0, 0, -20], [0, 0, 2, 5], [0, 0, 0, 1]], float)  # axes turned
    slopes = np.array([[0.02, 0.01, 0], [0, -0.03, 0.01], [0.01, 0, 0.02]])
    z, y, x = np.meshgrid(*(np.arange(n) for n in (60, 90, 110)), indexing="ij")
    points = np.stack([x, y, z], axis=-1) @ geometry[:3, :3].T + geometry[:3, 3]
    frames = scaledFrames(points @ slopes.T, geometry)
    assert list(frames) == list(range(0, 101, 10))
    size = np.array(frames[50].GetDisplacementGrid().GetDimensions()) - 2  # a layer of zeros is round it
    assert 0.1 * FRAME_LIMIT_VOXELS < size.prod() <= FRAME_LIMIT_VOXELS
    for point in points[5:-5:16, 5:-5:16, 5:-5:16].reshape(-1, 3):
        np.testing.assert_allclose(frames[50].TransformPoint(point), point + 0.5 * slopes @ point, atol=1e-3)


def test_the_scan_moves_with_the_outline_if_asked_and_comes_back(views, result, truth):
    layer, view = RegistrationAnimationLayer(result).add(), views[0]
    layer.setStrength(100)
    layer.setImageShown(True)
    for segmentation in (result.fixedSegmentation, layer.node("segmentation")):
        segmentation.SetDisplayVisibility(False)
    fixed, image = result.fixed.GetID(), layer.node("image").GetID()
    assert {composite.GetBackgroundVolumeID() for composite in result.sliceComposites()} == {image}
    view.fit(truth.centre * LPS)
    moved = view.render()[60:440:8, 60:440:8, 0].astype(float)
    pixels = np.stack(np.meshgrid(np.arange(60, 440, 8), np.arange(60, 440, 8), indexing="ij"), -1).reshape(-1, 2)
    local = points_of(pixels, view) - truth.centre
    assert np.corrcoef(moved.ravel(), phantom_intensity(local))[0, 1] > 0.99
    layer.show()
    layer.hide()
    assert {composite.GetBackgroundVolumeID() for composite in result.sliceComposites()} == {fixed}
    layer.show()
    layer.setImageShown(False)
    assert layer.visible and not layer.imageShown
    assert {composite.GetBackgroundVolumeID() for composite in result.sliceComposites()} == {fixed}


def test_a_part_of_a_registration_is_played_alone(scene, copied, truth):
    record = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    record["decomposition"] = {"parts": [{"file": "components/component-02/strength+2.00.nii.gz"}]}
    (copied / "result.json").write_text(json.dumps(record))
    result = ResultNodes.load(copied)
    layer = next(layer for layer in result.layers() if isinstance(layer, PartAnimationLayer)).add()
    points = inside_points(canvas_of(truth.fixed), 100)
    layer.setStrength(50)
    expected = points + 0.5 * truth.component_displacement(2, 2.0, points)
    np.testing.assert_allclose(through_nodes(points, layer.warp, None), expected, atol=0.05)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_amplitude_scales_the_motion_at_every_strength_and_survives_saving(scene, result, truth, tmp_path, factor):
    layer = AnimationLayer(result, 1).add()
    points = inside_points(canvas_of(truth.fixed), 50)
    layer.setAmplitude(2.0)
    layer.setAmplitude(factor)
    assert layer.amplitude == factor and f"drawn {factor:g} times as large" in layer.caption
    check_amplitude(layer, truth, points, factor)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    layer = AnimationLayer(ResultNodes.find(scene)[0], 1)
    assert layer.amplitude == factor
    check_amplitude(layer, truth, points, factor)
    layer.setAmplitude(1)
    assert "drawn" not in layer.caption
    check_amplitude(layer, truth, points, 1)


def test_a_larger_amplitude_is_seen_at_once(views, result, truth):
    layer, view = AnimationLayer(result, 1).add(), views[0]
    view.fit(truth.centre * LPS)
    layer.setStrength(2.0)
    places = []
    for factor in (1.0, 3.0, 1.0):
        layer.setAmplitude(factor)
        places.append(np.argwhere(like(view.render(), np.array(GOLD) * 255, 60)).mean(axis=0))
    assert np.abs(places[1] - places[0]).max() > 5 and np.abs(places[2] - places[0]).max() < 0.5


def check_amplitude(layer, truth, points, factor):
    for frame, strength in enumerate(layer.strengths):
        layer.setFrame(frame)
        expected = factor * truth.component_displacement(1, strength, points)
        np.testing.assert_allclose(through_nodes(points, layer.warp, None) - points, expected, atol=0.05 * factor)


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


def test_playing_steps_through_the_frames_and_hiding_stops_it(layer, result):
    for played in (layer, RegistrationAnimationLayer(result).add()):
        played.show()
        played.setPlaying(True)
        assert played.playing and seen(played) >= 3
        played.hide()
        assert not played.playing and seen(played) == 1


def seen(layer):
    """How many frames are seen within half a second."""
    frames, end = set(), time.monotonic() + 0.6
    while time.monotonic() < end:
        slicer.modules.sequences.logic().UpdateAllProxyNodes()
        frames.add(layer.browser.GetSelectedItemNumber())
        time.sleep(0.02)
    return len(frames)


def test_a_scan_that_moves_up_to_its_border_moves_without_a_warning_also_from_a_saved_scene(
    views, scene, tmp_path, capfd
):
    truth = write_synthetic_result(tmp_path / "result", displacement="constant", amplitude_mm=5.0)
    result = ResultNodes.load(truth.folder)
    result.enterViews()
    layer = RegistrationAnimationLayer(result).add()
    layer.setImageShown(True)
    capfd.readouterr()
    for strength, amplitude in ((50, 1), (100, 1), (100, 2)):
        layer.setAmplitude(amplitude)
        layer.setStrength(strength)
        assert all(view.render().max() > 100 for view in views)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    for view in views:
        view.render()
    assert "no convergence" not in capfd.readouterr().err
