"""Arrows start where the tissue is in the fixed scan and point to where it is in the aligned moving scan."""

import numpy as np
import pytest
import SimpleITK as sitk
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import slicer
from mrml.checks import (
    LPS,
    arrows_2d,
    arrows_3d,
    check_arrows,
    check_arrows_back,
    check_arrows_of_segment,
    points_of,
    without_bars,
)
from regexplain.errors import BadInputError
from regexplain.volumes.geometry import Grid
from RegExplainLib.MRML.Anatomy import tissueOf
from RegExplainLib.MRML.Layers import GlyphLayer
from RegExplainLib.MRML.Layers.GlyphLayer import ARROWS_IN_3D, niceCeiling
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import BUMP_OFFSET, write_synthetic_result


def test_every_arrow_in_3d_goes_from_x_to_x_plus_u(result, truth):
    check_arrows(GlyphLayer(result).add(), truth)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_arrow_in_a_slice_goes_from_x_along_u_within_the_slice(pictures, result, truth, number):
    layer, view = GlyphLayer(result).add(), pictures.sliceViews[number]
    view.fit((truth.centre + BUMP_OFFSET) * LPS)
    bases, tips = arrows_2d(layer, view.sliceNode)
    normal = np.array([view.sliceNode.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
    vectors = truth.displacement(bases * LPS) * LPS
    assert len(bases) > 20
    np.testing.assert_allclose(tips - bases, vectors - np.outer(vectors @ normal, normal), atol=0.1)


def test_the_arrows_of_a_shift_to_the_left_point_to_the_patients_left(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", displacement="constant", amplitude_mm=5.0)
    layer = GlyphLayer(ResultNodes.load(truth.folder)).add()
    bases, tips = arrows_3d(layer)
    inside = np.abs(bases * LPS - truth.centre).max(axis=1) < 15  # off the ramp to zero at the border
    np.testing.assert_allclose((tips - bases)[inside], [(-3.0, -4.0, 0.0)] * inside.sum(), atol=1e-3)


def test_there_is_no_arrow_where_nothing_moves(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", displacement="zero")
    bases, _ = arrows_3d(GlyphLayer(ResultNodes.load(truth.folder)).add())
    assert len(bases) == 0


def test_arrows_are_seen_where_the_displacement_is_and_nowhere_else(views, result, truth):
    view, layer = views[0], GlyphLayer(result).add()
    layer.setScale(1)
    view.fit((truth.centre + BUMP_OFFSET) * LPS)
    layer.hide()
    without = without_bars(view.render()).astype(int)
    layer.show()
    changed = np.argwhere(np.abs(without_bars(view.render()) - without).max(axis=2) > 30)
    assert len(changed) > 500
    lengths = np.linalg.norm(truth.displacement(points_of(changed, view)), axis=1)
    assert lengths.min() > 0.1 and np.median(lengths) > 1.5


def drawn_size(layer):
    """(3,) mm of the box about all that is drawn in 3D."""
    drawn, display = vtk.vtkPolyData(), layer.displayNode3D
    slicer.vtkSlicerTransformLogic.GetVisualization3d(drawn, display, display.GetRegionNode())
    return np.ptp(vtk_to_numpy(drawn.GetPoints().GetData()), axis=0)


def test_arrows_are_drawn_as_much_longer_as_asked_and_the_colour_bar_says_so(result, truth):
    layer = GlyphLayer(result).add()
    layer.setScale(1.0)
    before, size = arrows_3d(layer), drawn_size(layer)
    layer.setScale(10.0)
    after = arrows_3d(layer)
    np.testing.assert_allclose(after[1] - after[0], before[1] - before[0], atol=0.01)  # tips of true length
    assert (drawn_size(layer) - size).max() > 5 * np.abs(before[1] - before[0]).max()
    assert [barTitle(display) for display in layer._displays] == ["arrows 10 × mm"] * 2
    layer.setSpacing(layer.displayNode.GetGlyphSpacingMm() * 2)
    assert len(arrows_3d(layer)[0]) < 0.3 * len(before[0])


def barTitle(display):
    return " ".join(slicer.modules.colors.logic().GetColorLegendDisplayNode(display).GetTitleText().split())


@pytest.mark.parametrize(("amplitude", "scale"), [(5.0, 1), (0.4, 10), (0.04, 100)])
def test_arrows_too_short_to_be_seen_are_drawn_longer(scene, tmp_path, amplitude, scale):
    truth = write_synthetic_result(tmp_path / "result", amplitude_mm=amplitude)
    layer = GlyphLayer(ResultNodes.load(truth.folder)).add()
    lengths = np.linalg.norm(truth.displacement(arrows_3d(layer)[0] * LPS), axis=1)
    assert layer.scale == scale
    assert 0.5 * layer.spacing < scale * np.percentile(lengths, 95) < 3 * layer.spacing
    assert barTitle(layer.displayNode) == ("mm" if scale == 1 else f"arrows {scale} × mm")


def test_there_is_no_arrow_in_air(pictures, scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", displacement="constant", segmentations=False)
    result = ResultNodes.load(truth.folder)
    layer, view = GlyphLayer(result).add(), pictures.sliceViews[0]
    layer.setSpacing(2.0)
    view.fit(truth.centre * LPS)
    bases, _ = arrows_2d(layer, view.sliceNode)
    inside = Grid.of(truth.fixed).image(tissueOf(result.fixed).astype(np.uint8))
    near = sitk.BinaryDilate(inside, (1, 1, 1), sitk.sitkBox)
    where = [near.TransformPhysicalPointToIndex(point.tolist()) for point in (bases * LPS).astype(float)]
    assert len(bases) > 100 and all(near[index] for index in where) and not all(inside[index] for index in where)
    layer.setForm("grid")  # a step at the border would be no bending
    layer.setForm("arrows")
    assert len(arrows_2d(layer, view.sliceNode)[0]) == len(bases)


def test_the_arrows_never_take_the_place_of_the_deformation(result):
    layer = GlyphLayer(result).add()
    assert "display only" in layer.node("transform").GetName()
    assert result.deformation is not layer.node("transform")
    assert result.moving.GetParentTransformNode() is None


def test_the_colour_scale_reaches_the_largest_displacement_in_a_round_number(result):
    layer = GlyphLayer(result).add()
    low, high = layer.colors.GetRange()
    assert (low, high) == (0.0, 5.0) and result.record["displacement_mm"]["max"] <= high


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 0.1), (0.3, 0.3), (0.31, 0.4), (1, 1), (1.01, 2), (4.96, 5), (9.2, 10), (31, 40)]
)
def test_a_scale_ends_in_the_next_round_number(value, ceiling):
    assert niceCeiling(value) == pytest.approx(ceiling)


def test_without_a_segmentation_the_3d_view_has_the_longest_arrows_through_the_volume(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "result", segmentations=False)
    layer = GlyphLayer(ResultNodes.load(truth.folder)).add()
    bases, tips = arrows_3d(layer)
    assert 200 < len(bases) <= 1.2 * ARROWS_IN_3D and np.ptp(bases, axis=0).min() > 10
    np.testing.assert_allclose((tips - bases) * LPS, truth.displacement(bases * LPS), atol=0.1)
    shortest = np.linalg.norm(tips - bases, axis=1).min()
    layer.setThreshold(0.01)
    assert shortest > 5 * layer.threshold and len(arrows_3d(layer)[0]) == len(bases)


def test_towards_the_fixed_scan_every_arrow_ends_where_it_began_towards_the_moving_one(result, truth):
    layer = GlyphLayer(result).add()
    layer.setTowards("fixed")
    check_arrows_back(layer, truth)
    layer.setTowards("moving")
    check_arrows(layer, truth)


@pytest.mark.parametrize("towards", ["moving", "fixed"])
@pytest.mark.parametrize("label", [1, 2])
def test_the_arrows_of_a_segment_are_all_there_true_and_alone(result, truth, label, towards):
    layer = GlyphLayer(result).add()
    layer.setSpacing(3.0)
    layer.setThreshold(0.2)
    layer.setTowards(towards)
    layer.setSegment(label)
    check_arrows_of_segment(layer, truth, label)


def test_a_segment_that_is_not_there_is_refused_and_nothing_changes(result, truth):
    layer = GlyphLayer(result).add()
    with pytest.raises(BadInputError, match="no segment 7"):
        layer.setSegment(7)
    assert layer.segment is None
    check_arrows(layer, truth)


def test_shorter_arrows_than_the_threshold_are_hidden(result):
    layer = GlyphLayer(result).add()
    layer.setThreshold(2.5)
    bases, tips = arrows_3d(layer)
    assert len(bases) > 10 and np.linalg.norm(tips - bases, axis=1).min() > 2.49
    layer.setThreshold(0)
    assert len(arrows_3d(layer)[0]) > 2 * len(bases)


def drawn_2d(layer, view):
    """(RAS points (N, 3), their lengths in mm (N,)) of what Slicer draws in a slice."""
    drawn = vtk.vtkPolyData()
    slicer.vtkSlicerTransformLogic.GetVisualization2d(drawn, layer.displayNode, view.sliceNode)
    return (vtk_to_numpy(a) for a in (drawn.GetPoints().GetData(), drawn.GetPointData().GetScalars()))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_contour_lines_run_where_the_displacement_has_their_length(pictures, result, truth, number):
    layer, view = GlyphLayer(result).add(), pictures.sliceViews[number]
    view.fit((truth.centre + BUMP_OFFSET) * LPS)
    layer.setForm("contours")
    layer.setSpacing(2.0)
    layer.setThreshold(1.5)
    points, levels = drawn_2d(layer, view)
    assert set(np.round(levels, 3)) == {2.0, 3.0, 4.0}
    np.testing.assert_allclose(np.linalg.norm(truth.displacement(points * LPS), axis=1), levels, atol=0.15)


def test_the_bent_grid_is_a_straight_one_with_every_point_moved_along_the_slice(pictures, result, truth):
    layer, view = GlyphLayer(result).add(), pictures.sliceViews[0]
    view.fit((truth.centre + BUMP_OFFSET) * LPS)
    layer.setForm("grid")
    layer.setScale(1)
    bent, _ = drawn_2d(layer, view)
    layer.setScale(0)
    straight, _ = drawn_2d(layer, view)
    normal = np.array([view.sliceNode.GetSliceToRAS().GetElement(row, 2) for row in range(3)])
    vectors = truth.displacement(straight * LPS) * LPS
    np.testing.assert_allclose(bent - straight, vectors - np.outer(vectors @ normal, normal), atol=0.1)
    assert np.linalg.norm(bent - straight, axis=1).max() > 3


def test_settings_are_read_back_from_the_nodes(result):
    layer, other = GlyphLayer(result).add(), GlyphLayer(result)
    assert (other.towards, other.segment, other.form) == ("moving", None, "arrows")
    assert other.threshold == pytest.approx(0.1 * other.maxMm)
    layer.setTowards("fixed")
    layer.setSpacing(4.5)
    layer.setScale(2.5)
    layer.setThreshold(0.7)
    layer.setSegment(2)
    layer.setForm("contours")
    settings = (other.towards, other.spacing, other.scale, other.threshold, other.segment, other.form)
    assert settings == ("fixed", 4.5, 2.5, 0.7, 2, "contours")


@pytest.mark.parametrize("segment", [None, 1])
def test_settings_and_arrows_come_back_with_a_saved_scene(scene, truth, result, tmp_path, segment):
    layer = GlyphLayer(result).add()
    layer.setTowards("fixed")
    layer.setSpacing(3.0)
    layer.setSegment(segment)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    layer = GlyphLayer(ResultNodes.find(scene)[0])
    assert (layer.towards, layer.spacing, layer.segment, layer.form) == ("fixed", 3.0, segment, "arrows")
    bases, tips = arrows_3d(layer)
    inside = truth.label_at(tips * LPS) == 1
    assert inside.sum() > 20
    misses = tips * LPS + truth.displacement(tips * LPS) - bases * LPS
    assert np.linalg.norm(misses[inside], axis=1).max() < 0.3  # Slicer interpolates what it reads cubically
    layer.setTowards("moving")
    check_arrows(layer, truth) if segment is None else check_arrows_of_segment(layer, truth, segment)


def test_slicer_shows_a_colour_bar_in_millimetres_with_the_arrows(result):
    layer = GlyphLayer(result).add()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(layer.node("transform"))
    assert legend.GetVisibility() and barTitle(layer.displayNode).endswith("mm")
    assert legend.GetPrimaryDisplayNode() is layer.displayNode and layer.displayNode.GetScalarRange() == (0.0, 5.0)
