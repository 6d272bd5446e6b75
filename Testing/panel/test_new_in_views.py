"""What the panel brings into the views is seen in them without a click, also where the application sizes them late."""

from xml.etree import ElementTree

import numpy as np
import pytest

from panel.fixtures import addSegmentation, loadSamplePair, press, settle, waitUntil


def slicesOf(layout):
    return [layout.sliceWidget(name).sliceView().offscreen for name in layout.sliceViewNames()]


def lookAway(layout):
    """As views are that showed something else before."""
    for view in slicesOf(layout):
        view.setFieldOfView(900.0)
        view.sliceNode.JumpSliceByCentering(400.0, 400.0, -400.0)
        view.compositeNode.SetBackgroundVolumeID(None)


def shares(views):
    """How much of each view is not black."""
    return [(view.render().max(axis=2) > 40).mean() for view in views]


def viewsOfTheLayout():
    """Names of the slice views of the module's own layout on show; other tests may have left more behind."""
    import slicer

    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    description = node.GetLayoutDescription(node.GetViewArrangement())
    return [view.get("singletontag") for view in ElementTree.fromstring(description).iter("view")]


def test_the_sample_pair_is_seen_at_once(panel, views):
    lookAway(views)
    loadSamplePair(panel)
    assert min(shares(slicesOf(views))) > 0.1


def test_a_registration_is_seen_at_once_and_then_zoom_and_place_are_the_users(panel, views, registered):
    assert min(shares(slicesOf(views))) > 0.1
    view = slicesOf(views)[0]
    view.setFieldOfView(25.0)
    view.sliceNode.SetSliceOffset(view.sliceNode.GetSliceOffset() + 3.0)
    before = view.fieldOfView, view.sliceNode.GetSliceOffset()
    press(panel, panel.ui.explainButton)
    layers = {layer.key: layer for layer in panel.session.result.layers()}
    for box, key in ((panel.ui.showJacobianCheckBox, "jacobian"), (panel.ui.showDisplacementCheckBox, "displacement")):
        box.click()
        waitUntil(lambda key=key: layers[key].added)
    panel.ui.showArrowsCheckBox.click()
    assert (view.fieldOfView, view.sliceNode.GetSliceOffset()) == pytest.approx(before)


def test_another_registration_is_fitted_once(panel, views, registered, worker):
    press(panel, panel.ui.registerButton)
    lookAway(views)
    panel.session.choose(registered.id)
    settle(panel)
    assert min(shares(slicesOf(views))) > 0.1


def test_the_users_own_outlines_make_room_for_the_results_and_come_back(panel, views, registered):
    own = panel.session.parameterNode.fixedSegmentation
    assert not own.GetDisplayVisibility() and registered.fixedSegmentation.GetDisplayVisibility()
    later = addSegmentation("Later", panel.session.parameterNode.fixed, ["Head"])
    registered.remove()
    assert panel.session.result is None and own.GetDisplayVisibility() and later.GetDisplayVisibility()


def test_a_registration_without_outlines_shows_how_far_as_colours_too(panel, views, volumes, worker):
    press(panel, panel.ui.registerButton)
    assert panel.ui.showDisplacementCheckBox.checked and panel.ui.showArrowsCheckBox.checked


def test_side_by_side_is_seen_the_first_time_with_its_colour_bars(panel, views, registered):
    press(panel, panel.ui.explainButton)
    panel.ui.showStagesCheckBox.click()
    settle(panel)
    late = [views.lateViews[name] for name in viewsOfTheLayout()]
    waitUntil(lambda: min(shares(late)) > 0.1)
    for view in late:
        bar = view.render()[40:230, 478:494].reshape(-1, 3).astype(int)
        assert (np.ptp(bar, axis=1) > 60).sum() > 500
    panel.ui.showStagesCheckBox.click()
    settle(panel)


def test_a_scene_that_was_saved_side_by_side_opens_with_the_ordinary_views(panel, views, registered, tmp_path):
    import slicer
    from RegExplainLib.MRML.CustomLayout import STAGES

    press(panel, panel.ui.explainButton)
    scene = slicer.mrmlScene
    node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode") or scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    before = node.GetViewArrangement()
    panel.ui.showStagesCheckBox.click()
    settle(panel)
    assert node.GetViewArrangement() == STAGES
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    node.SetLayoutDescription(STAGES, "")  # as in the application that opens it later
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert scene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement() == before
