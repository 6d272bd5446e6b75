"""After a registration three views answer the first question: what lay where, what lies where, what moved how far."""

import numpy as np
import pytest

from mrml.checks import node_ids
from RegExplainLib.MRML.Layers import DisplacementLayer, GlyphLayer
from RegExplainLib.MRML.OffscreenViews import SliceView
from RegExplainLib.MRML.ResultLayout import ResultLayout
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result


@pytest.fixture(scope="session")
def resultViews(headless, pictures):
    """The application makes them with the layout."""
    return [SliceView(headless, name, "Axial") for name in ResultLayout.labels]


@pytest.fixture
def truth(truths):
    return truths["plain"]


def viridis(picture):
    """How many pixels are as green as arrows are and nothing else."""
    red, green, blue = (picture[:, :380, channel].astype(int) for channel in range(3))
    return ((green > red + 40) & (green > blue + 10)).sum()


def test_the_fixed_the_registered_and_the_moved_are_side_by_side(views, resultViews, result):
    before = ResultLayout(result)._layoutNode.GetViewArrangement()
    for view in resultViews:
        view.render()
    result.enterViews()
    layout = ResultLayout(result)
    layout.show()
    assert layout.shown and layout.possible
    pictures = [view.render() for view in resultViews]
    fixed, registered, moved = pictures
    assert min((picture.max(axis=2) > 40).mean() for picture in pictures) > 0.2
    shown = [view.compositeNode.GetBackgroundVolumeID() for view in resultViews]
    assert shown == [result.fixed.GetID(), result.warpedMoving.GetID(), result.fixed.GetID()]
    assert viridis(fixed) == viridis(registered) == 0 and viridis(moved) > 200
    assert np.ptp([view.sliceNode.GetSliceOffset() for view in resultViews]) == 0
    layout.hide()
    assert layout._layoutNode.GetViewArrangement() == before
    assert viridis(views[0].render()) > 200  # the arrows are in the ordinary views again


def test_it_needs_a_displacement_and_leaves_no_node(scene, resultViews, result, tmp_path):
    layout = ResultLayout(result)
    layout._layoutNode  # noqa: B018 - of the scene, not of this layout
    before = node_ids(scene)
    layout.show()
    layout.hide()
    for layer in (GlyphLayer(result), DisplacementLayer(result)):
        layer.remove()
    assert node_ids(scene) == before
    affine = write_synthetic_result(tmp_path / "affine", kind="affine")
    assert not ResultLayout(ResultNodes.load(affine.folder)).possible
