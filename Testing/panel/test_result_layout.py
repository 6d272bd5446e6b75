"""The layout of fixed, registered and moved: offered once, remembered, and with the registration on show."""

import pytest

from panel.fixtures import press, settle, waitUntil

VIEWS = ("RegExplainFixed", "RegExplainRegistered", "RegExplainMoved")


@pytest.fixture(autouse=True)
def unasked(host):
    """A user who was never offered it; afterwards the layout is Slicer's again."""
    import slicer
    from RegExplainLib.GUI.Sections.ResultLayoutSection import CHOICE

    slicer.app.userSettings().remove(CHOICE)
    yield
    slicer.app.userSettings().remove(CHOICE)


def backgrounds():
    """Of the three views, by name, as nodes."""
    import slicer

    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    ids = {c.GetLayoutName(): c.GetBackgroundVolumeID() for c in composites}
    return [slicer.mrmlScene.GetNodeByID(ids[name]) if ids.get(name) else None for name in VIEWS]


def offered(panel):
    return panel.ui.resultLayoutLabel.isVisibleTo(panel.ui.RegExplain)


def test_it_is_offered_once_and_the_views_stay_as_they_are(panel, views, registered, worker):
    box = panel.ui.resultLayoutCheckBox
    assert offered(panel) and box.enabled and not box.checked
    press(panel, panel.ui.registerButton)
    assert not offered(panel) and box.enabled and not box.checked


def test_what_was_chosen_holds_for_the_next_registration(panel, views, registered, worker):
    box = panel.ui.resultLayoutCheckBox
    box.click()
    settle(panel)
    assert box.checked and not offered(panel)
    assert backgrounds() == [registered.fixed, registered.warpedMoving, registered.fixed]
    press(panel, panel.ui.registerButton)
    newer = panel.session.result
    assert newer.id != registered.id and box.checked and backgrounds()[1] is newer.warpedMoving
    box.click()
    assert not box.checked and backgrounds() == [None] * 3
    press(panel, panel.ui.registerButton)
    assert not box.checked and not offered(panel)


def test_it_goes_with_the_registration_on_show_and_not_beyond_the_last(panel, views, registered, worker):
    import slicer

    before = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    before = before.GetViewArrangement() if before is not None else 0
    panel.ui.resultLayoutCheckBox.click()
    settle(panel)
    press(panel, panel.ui.registerButton)
    panel.session.choose(registered.id)
    settle(panel)
    assert backgrounds()[1] is registered.warpedMoving and panel.ui.resultLayoutCheckBox.checked
    for result in panel.session.results:
        result.remove()
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    assert node.GetViewArrangement() == before and not panel.ui.resultLayoutCheckBox.enabled


def test_its_new_views_are_fitted_once_they_have_their_size(panel, views, registered):
    panel.ui.resultLayoutCheckBox.click()
    settle(panel)
    late = [views.lateViews[name] for name in VIEWS if name in views.lateViews]
    waitUntil(lambda: all((view.render().max(axis=2) > 40).mean() > 0.1 for view in late))


def test_closing_the_scene_gives_the_views_back(panel, views, registered):
    import slicer

    panel.ui.resultLayoutCheckBox.click()
    settle(panel)
    number = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement()
    slicer.mrmlScene.Clear(False)
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    assert node is None or node.GetViewArrangement() != number
