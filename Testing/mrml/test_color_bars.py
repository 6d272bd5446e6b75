"""A colour bar is there exactly while its map is, by the pixels that Slicer's own manager of legends draws."""

import numpy as np
import pytest

from mrml.checks import HIGH, LOW, bar_pixels
from RegExplainLib.MRML.Anatomy import anatomyBounds
from RegExplainLib.MRML.Layers import DisplacementLayer, GlyphLayer, HeatmapLayer, JacobianLayer
from RegExplainLib.MRML.StagesLayout import StagesLayout
from synthetic_result import STAGES

MAPS = {
    "heatmap": lambda result: HeatmapLayer(result, "encoder-fixed"),
    "displacement": DisplacementLayer,
    "jacobian": JacobianLayer,
}


@pytest.fixture
def truth(truths):
    return truths["plain"]


def bar(view, rows):
    """The bar's own pixels, (N, 3), at its right-hand end of these rows of a view: colours, none of them grey."""
    return bar_pixels(view.render(), rows)


@pytest.fixture
def bare(views, result):
    for view in views:
        view.render()  # Slicer's views are there before any map
    result.enterViews()
    hideOutlines(result)
    return views


def hideOutlines(result):
    """They are of colours as the bars are."""
    for node in (result.fixedSegmentation, result.warpedSegmentation):
        node.SetDisplayVisibility(False)


@pytest.mark.parametrize("kind", MAPS)
def test_a_map_has_its_bar_from_the_first_and_as_long_as_it_is_shown(bare, result, kind):
    layer = MAPS[kind](result)
    for _ in range(2):
        layer.add()
        hideOutlines(result)
        assert all(len(bar(view, HIGH)) > 500 and len(bar(view, LOW)) == 0 for view in bare)
        layer.hide()
        assert [len(bar(view, HIGH)) for view in bare] == [0, 0, 0]
    layer.show()
    layer.remove()
    assert [len(bar(view, HIGH)) for view in bare] == [0, 0, 0]


def test_a_map_that_takes_anothers_place_takes_its_bars_too(bare, result):
    JacobianLayer(result).add()
    former = bar(bare[0], HIGH).mean(axis=0)
    layer = DisplacementLayer(result).add()
    with_both = bar(bare[0], HIGH).mean(axis=0)
    JacobianLayer(result).remove()
    np.testing.assert_array_equal(bar(bare[0], HIGH).mean(axis=0), with_both)
    assert np.abs(with_both - former).max() > 20 and layer.visible


def test_the_arrows_have_theirs_in_the_slices_and_in_3d(bare, pictures, result):
    pictures.threeDView.render()
    layer = GlyphLayer(result).add()
    hideOutlines(result)
    pictures.threeDView.look(anatomyBounds(result))
    assert min(len(bar(view, LOW)) for view in [*bare, pictures.threeDView]) > 500
    assert [len(bar(view, HIGH)) for view in bare] == [0] * 3
    layer.hide()
    assert max(len(bar(view, LOW)) for view in [*bare, pictures.threeDView]) < 50


def test_both_bars_are_of_one_size_and_type_beside_each_other_and_clear_of_the_corners(bare, result):
    for node in (GlyphLayer(result).add(), HeatmapLayer(result, "encoder-fixed").add()):
        assert node.visible
    hideOutlines(result)
    HeatmapLayer(result, "encoder-fixed").region.SetDisplayVisibility(False)
    for composite in result.sliceComposites():
        composite.SetBackgroundVolumeID(None)
    HeatmapLayer(result, "encoder-fixed").setThreshold(1.1)
    for display in GlyphLayer(result)._displays:
        display.SetVisibility2D(display is GlyphLayer(result).displayNode)
        display.SetGlyphDisplayRangeMinMm(1e6)  # the bars alone
    picture = bare[0].render()
    lit = picture.max(axis=2) > 40
    assert not lit[:, :400].any() and not lit[475:].any() and not lit[:20].any() and not lit[230:270].any()
    low, high = lit[LOW], lit[HIGH]
    assert [np.flatnonzero(part[:, 478:494].sum(axis=1) > 12).size for part in (low, high)] == pytest.approx(
        [130] * 2, abs=25
    )
    assert heights(low[:, 400:462]) == pytest.approx(heights(high[:, 400:462]), abs=2)


def heights(lit):
    """The median height of the lines of type."""
    rows = np.flatnonzero(np.diff(np.concatenate([[0], lit.any(axis=1).astype(int), [0]])))
    return float(np.median(rows[1::2] - rows[::2]))


def test_side_by_side_every_view_has_the_bar_of_its_own_map_and_loses_it(headless, bare, stageViews, result):
    for stage in STAGES:
        HeatmapLayer(result, stage).add().hide()
    for view in stageViews:
        openLate(headless, view)
    layout = StagesLayout(result, list(STAGES))
    for _ in range(2):
        layout.show()
        assert min(len(bar(view, HIGH)) for view in stageViews) > 500
        assert [len(bar(view, HIGH)) for view in bare] == [0] * 3
        layout.hide()
        hideOutlines(result)
        assert [len(bar(view, HIGH)) for view in stageViews] == [0] * 3


def openLate(headless, view):
    """As the application opens a new one: its managers when the maps are there, before its own layers are known."""
    logics = headless.applicationLogic.GetSliceLogics()
    logics.RemoveItem(view._logic)
    view._open()
    logics.AddItem(view._logic)
