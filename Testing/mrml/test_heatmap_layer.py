"""Heat lies over the anatomy that it belongs to, in the node and in the picture."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

import slicer
from mrml.checks import (
    LPS,
    bar_title,
    check_hottest_pixel,
    check_hottest_voxel,
    check_outline,
    check_place,
    like,
    within_tissue,
    without_bars,
)
from RegExplainLib.MRML.Layers import HeatmapLayer
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import STAGES


@pytest.fixture(params=STAGES)
def layer(request, result):
    return HeatmapLayer(result, request.param)


def test_the_hottest_voxel_is_where_it_was_computed(layer, truth):
    check_hottest_voxel(layer.add(), truth)


def test_the_raw_values_are_kept_within_the_tissue_and_none_outside(layer, truth):
    values = sitk.ReadImage(str(truth.folder / f"heatmaps/{layer.stage}.nii.gz"))
    scan = sitk.ReadImage(str(truth.folder / f"{STAGES[layer.stage]}.nii.gz"))
    check_place(layer.add().volume, within_tissue(values, scan))


def test_heat_in_air_is_clear_at_any_threshold_and_does_not_scale_the_colours(views, scene, copied, truth):
    path = copied / "heatmaps/decoder.nii.gz"
    values = sitk.ReadImage(str(path))
    values[0, 0, 0] = 100.0
    sitk.WriteImage(values, str(path))
    layer = HeatmapLayer(ResultNodes.load(copied), "decoder").add()
    layer.setThreshold(0.0)
    layer.setOpacity(1.0)
    check_hottest_voxel(layer, truth)
    check_hottest_pixel(layer, truth, views[0])
    views[0].fit(np.array(truth.fixed.TransformIndexToPhysicalPoint([0, 0, 0])) * LPS)
    on = without_bars(views[0].render())
    row, column = (
        int(n) for n in views[0].toPixel(np.array(truth.fixed.TransformIndexToPhysicalPoint([1, 1, 1])) * LPS)
    )
    assert on[row, column].max() < 20


@pytest.mark.parametrize("share", [None, 0.42])
def test_the_share_of_heat_in_air_stands_beside_the_map(scene, copied, share):
    record = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    if share is not None:
        record["heatmaps"][0]["air_share"] = share
    (copied / "result.json").write_text(json.dumps(record))
    layer = HeatmapLayer(ResultNodes.load(copied), "encoder-fixed").add()
    assert bar_title(layer.volume) == ("Grad-CAM" if share is None else "Grad-CAM 42 % in air")


def test_the_hottest_spot_is_seen_where_it_is(views, layer, truth):
    layer.add()
    for view in views:
        check_hottest_pixel(layer, truth, view)


def test_a_heatmap_lies_over_the_scan_that_it_belongs_to(layer):
    layer.add()
    under = {view.GetBackgroundVolumeID() for view in layer.resultNodes.sliceComposites()}
    assert under == {layer.resultNodes.node(STAGES[layer.stage]).GetID()}


def pair(layer, truth, views):
    """The first view's picture without and with the heatmap, and the heatmap's share of its largest size there."""
    view = views[0]
    layer.add()
    for segmentation in ("fixedSegmentation", "movingSegmentation", "warpedSegmentation"):
        layer.resultNodes.node(segmentation).SetDisplayVisibility(False)
    view.fit(truth.hottest[layer.stage][1] * LPS)
    on = view.render().astype(int)
    view.compositeNode.SetForegroundVolumeID(None)
    off = view.render().astype(int)
    view.compositeNode.SetForegroundVolumeID(layer.volume.GetID())
    return off, on


def test_a_threshold_clears_small_values_of_both_signs_and_a_higher_one_clears_more(views, layer, truth):
    off, on = pair(layer, truth, views)
    heated = np.abs(on - off).max(axis=2) > 8
    layer.setThreshold(0.7)
    fewer = np.abs(pair(layer, truth, views)[1] - off).max(axis=2) > 8
    layer.setThreshold(0.0)
    all_ = np.abs(pair(layer, truth, views)[1] - off).max(axis=2) > 8
    assert 100 < fewer.sum() < 0.6 * heated.sum() < 0.6 * 0.6 * all_.sum()
    assert (heated | ~fewer).all()


def test_positive_values_are_warm_and_negative_ones_cool(views, result, truth):
    layer = HeatmapLayer(result, "decoder").add()
    layer.setOpacity(1.0)
    for sign, warm in ((1, True), (-1, False)):
        array = slicer.util.arrayFromVolume(layer.volume)
        k, j, i = np.unravel_index(np.argmax(sign * array), array.shape)
        ras = np.array(truth.fixed.TransformIndexToPhysicalPoint([int(i), int(j), int(k)])) * LPS
        views[0].fit(ras)
        row, column = (round(n) for n in views[0].toPixel(ras))
        red, _, blue = (int(n) for n in views[0].render()[row, column])
        assert (red > blue + 40) if warm else (blue > red + 40)


def test_opacity_blends_the_heat_with_the_scan(views, layer, truth):
    changes = []
    for opacity in (0.0, 0.5, 1.0):
        layer.add().setOpacity(opacity)
        off, on = pair(layer, truth, views)
        changes.append(np.abs(on - off).sum())
    assert changes[0] == 0 and 0.4 * changes[2] < changes[1] < 0.6 * changes[2]


def test_the_middle_of_the_scale_is_zero_whatever_the_signs(result, truth):
    display = HeatmapLayer(result, "encoder-fixed").add().volume.GetDisplayNode()
    assert display.GetWindowLevelMin() == -display.GetWindowLevelMax()
    assert display.GetWindowLevelMax() == pytest.approx(result.record["heatmaps"][0]["max_abs"])


def test_slicer_shows_a_legend_with_it(layer):
    layer.add()
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(layer.volume)
    assert legend.GetVisibility() and bar_title(layer.volume) == "Grad-CAM"


def test_a_heatmap_of_zeros_is_clear(views, scene, copied, truth):
    path = copied / "heatmaps/decoder.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(path)) * 0, str(path))
    record = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    for entry in record["heatmaps"]:
        entry["max_abs"] = 0.0
    (copied / "result.json").write_text(json.dumps(record))
    layer = HeatmapLayer(ResultNodes.load(copied), "decoder").add()
    layer.setOpacity(1.0)
    layer.resultNodes.fixedSegmentation.SetDisplayVisibility(False)
    layer.resultNodes.warpedSegmentation.SetDisplayVisibility(False)
    views[0].fit(truth.centre * LPS)
    picture = without_bars(views[0].render())
    assert (picture.max(axis=2) == picture.min(axis=2)).all() and not like(picture, np.zeros(3), 5).all()


def test_maps_of_one_stage_by_two_methods_are_two_layers_with_their_methods_names(scene, copied):
    record = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    decoder = next(entry for entry in record["heatmaps"] if entry["stage"] == "decoder")
    other = {"method": "hirescam", "scalar": "left", "file": "heatmaps/decoder.hirescam.left.nii.gz", "max_abs": 7.0}
    record["heatmaps"].append(decoder | other)
    (copied / "result.json").write_text(json.dumps(record))
    sitk.WriteImage(-sitk.ReadImage(str(copied / decoder["file"])), str(copied / other["file"]))
    layers = [layer.add() for layer in ResultNodes.load(copied).layers() if layer.key.startswith("heatmap decoder")]
    titles = ["Heatmap decoder", "Heatmap decoder (HiResCAM, towards left)"]
    assert [layer.title for layer in layers] == [layer.volume.GetName() for layer in layers] == titles
    assert [layer.pictureTitle for layer in layers] == ["Grad-CAM, decoder", "HiResCAM, decoder, towards left"]
    usual, negative = (slicer.util.arrayFromVolume(layer.volume) for layer in layers)
    assert np.array_equal(usual, -negative)
    assert [bar_title(layer.volume) for layer in layers] == ["Grad-CAM", "HiResCAM"]


def test_the_map_of_a_components_coordinate_is_a_heatmap_with_a_readable_title(scene, copied, truth):
    record = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    decoder = next(entry for entry in record["heatmaps"] if entry["stage"] == "decoder")
    record["heatmaps"].append(decoder | {"stage": "component-03-fixed", "region": "whole image", "region_label": None})
    (copied / "result.json").write_text(json.dumps(record))
    result = ResultNodes.load(copied)
    [layer] = [layer for layer in result.layers() if layer.key == "heatmap component-03-fixed"]
    assert layer.title == "Heatmap component 3 in the fixed image"
    assert layer.add().volume.GetName() == layer.title
    assert np.allclose(layer.hottestPoint(), truth.hottest["decoder"][1] * LPS, atol=1e-3)


def test_with_positive_values_only_the_cool_ones_are_clear_and_come_back(views, result, truth):
    layer = HeatmapLayer(result, "decoder").add()
    array = slicer.util.arrayFromVolume(layer.volume)
    k, j, i = np.unravel_index(np.argmin(array), array.shape)
    coldest = np.array(truth.fixed.TransformIndexToPhysicalPoint([int(i), int(j), int(k)])) * LPS
    views[0].fit(coldest)
    row, column = (round(n) for n in views[0].toPixel(coldest))
    seen = {}
    for only in (False, True):
        layer.setPositiveOnly(only)
        assert HeatmapLayer(result, "decoder").positiveOnly == only
        red, _, blue = views[0].render()[row, column].astype(int)
        seen[only] = blue - red > 20
    assert seen == {False: True, True: False}
    layer.setThreshold(0.1)
    table = layer.node("colors").GetLookupTable()
    assert [table.GetTableValue(level)[3] for level in (0, 127, 255)] == [0.0, 0.0, 1.0]


def test_the_region_that_was_asked_about_is_outlined_on_the_scan_of_the_map(layer, truth):
    layer.add()
    assert list(layer.region.GetSegmentation().GetSegmentIDs()) == ["Segment_1"]
    assert layer.region.GetDisplayVisibility()
    check_outline(layer.region, truth, STAGES[layer.stage], 1)
    layer.hide()
    assert not layer.region.GetDisplayVisibility()


def test_a_question_about_the_whole_image_has_no_outline(scene, copied):
    record = json.loads((copied / "result.json").read_text(encoding="utf-8"))
    for entry in record["heatmaps"]:
        entry |= {"region": "whole image", "region_label": None}
    (copied / "result.json").write_text(json.dumps(record))
    assert HeatmapLayer(ResultNodes.load(copied), "decoder").add().region is None
