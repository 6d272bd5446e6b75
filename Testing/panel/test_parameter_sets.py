"""Several sets of parameters in one scene, of which the panel shows one."""

import pytest

from panel.fixtures import addVolume, press, settle, waitUntil


@pytest.fixture
def selector(panel):
    return panel.ui.parameterSetSelector


def names(selector):
    return [selector._comboBox.itemText(n) for n in range(selector._comboBox.count())]


def pick(selector, node):
    """As the user does it in the list."""
    selector._comboBox.setCurrentIndex(selector._comboBox.findData(node.GetID()))


def nodeOnShow(panel):
    return panel.session.parameterNode.parameterNode


def registeredTwice(panel, selector):
    """Another set with scans and a registration of its own, on show. Returns the nodes of both sets."""
    first, second = nodeOnShow(panel), selector.addNode()
    parameters = panel.session.parameterNode
    parameters.fixed, parameters.moving = addVolume("Patient C"), addVolume("Patient D")
    press(panel, panel.ui.registerButton)
    return first, second


def test_the_scene_has_one_set_at_first_and_other_modules_sets_are_not_listed(panel, selector):
    import slicer

    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Of another module")
    assert names(selector) == ["RegExplain"] and selector.currentNode() is nodeOnShow(panel)
    assert selector.addEnabled and selector.removeEnabled and selector.renameEnabled and not selector.noneEnabled
    assert selector.nodeTypeLabel("vtkMRMLScriptedModuleNode") == "parameter set"


def test_a_new_set_begins_like_an_empty_scene(panel, volumes, selector):
    panel.ui.heatmapOpacitySlider.value = 20.0
    panel.ui.stageSelector.currentIndex = 2
    added = selector.addNode()
    assert nodeOnShow(panel) is added and names(selector) == ["RegExplain", "RegExplain_1"]
    assert panel.ui.fixedSelector.currentNode() is None and panel.ui.heatmapOpacitySlider.value == 65
    assert panel.ui.stageSelector.currentIndex == 0 and not panel.ui.registerButton.enabled


def test_switching_shows_the_other_sets_choices_and_writes_into_neither(panel, volumes, selector):
    first = panel.session.parameterNode
    panel.ui.heatmapOpacitySlider.value = 20.0
    second = selector.addNode()
    panel.ui.heatmapOpacitySlider.value = 50.0
    panel.ui.fixedSelector.setCurrentNode(volumes[1])
    assert first.heatmapOpacity == 20 and first.fixed is volumes[0]
    pick(selector, first.parameterNode)
    assert panel.ui.heatmapOpacitySlider.value == 20 and panel.ui.fixedSelector.currentNode() is volumes[0]
    assert panel.ui.registerButton.enabled
    pick(selector, second)
    assert panel.ui.heatmapOpacitySlider.value == 50 and panel.ui.fixedSelector.currentNode() is volumes[1]
    assert panel.ui.movingSelector.currentNode() is None


def test_switching_shows_the_other_sets_registration_in_panel_and_views(panel, registered, selector):
    from RegExplainLib.MRML.Layers import GlyphLayer

    first, second = registeredTwice(panel, selector)
    newer = panel.session.result
    pick(selector, first)
    settle(panel)
    assert panel.session.result.id == registered.id != newer.id
    assert GlyphLayer(registered).visible and not GlyphLayer(newer).visible
    assert registered.warpedSegmentation.GetDisplayVisibility()
    assert {c.GetBackgroundVolumeID() for c in registered.sliceComposites()} == {registered.fixed.GetID()}
    assert panel.ui.resultSelector.currentText.startswith("1:")
    pick(selector, second)
    settle(panel)
    assert panel.session.result.id == newer.id and panel.ui.resultSelector.currentText.startswith("2:")
    assert not registered.warpedSegmentation.GetDisplayVisibility()


def test_deleting_a_set_shows_another_and_deleting_the_last_makes_a_new_one(panel, volumes, selector):
    first, second = nodeOnShow(panel), selector.addNode()
    selector.removeCurrentNode()
    assert second.GetScene() is None and nodeOnShow(panel) is first is selector.currentNode()
    assert panel.ui.fixedSelector.currentNode() is volumes[0]
    selector.removeCurrentNode()
    assert nodeOnShow(panel) is selector.currentNode() is not first and len(names(selector)) == 1
    assert panel.ui.fixedSelector.currentNode() is None and not panel.ui.registerButton.enabled
    panel.session.parameterNode.fixed = volumes[1]
    assert panel.ui.fixedSelector.currentNode() is volumes[1]


@pytest.fixture(params=["open", "left"])
def reload(request, module, tmp_path):
    """Saves the scene and loads it again, with the module open or left."""
    import slicer

    def do():
        path = str(tmp_path / "scene.mrb")
        if request.param == "left":
            module.leave()
        assert slicer.mrmlScene.WriteToMRB(path)
        slicer.mrmlScene.Clear(False)
        assert slicer.mrmlScene.ReadFromMRB(path)
        module.open()

    return do


@pytest.mark.parametrize("chosen", [0, 1])
def test_a_saved_scene_reopens_with_all_sets_and_the_one_on_show(panel, registered, selector, reload, chosen):
    sets = registeredTwice(panel, selector)
    sets[0].SetName("Knee"), sets[1].SetName("Hip")
    pick(selector, sets[chosen])
    shown = panel.session.result.id
    reload()
    assert sorted(names(selector)) == ["Hip", "Knee"]
    assert nodeOnShow(panel).GetName() == ["Knee", "Hip"][chosen] and selector.currentNode() is nodeOnShow(panel)
    assert panel.ui.fixedSelector.currentNode().GetName() == ["Patient A", "Patient C"][chosen]
    assert panel.session.result.id == shown
    [other] = [node for node in selector._nodes().values() if node is not nodeOnShow(panel)]
    pick(selector, other)
    assert panel.ui.fixedSelector.currentNode().GetName() == ["Patient C", "Patient A"][chosen]


def test_loading_a_scene_leaves_its_views_as_they_were_saved(panel, registered, selector, reload):
    registered.showSpace("moving")
    reload()
    assert {c.GetBackgroundVolumeID() for c in registered.sliceComposites()} == {registered.moving.GetID()}


def test_a_scene_added_to_another_brings_its_sets_and_leaves_the_one_on_show(panel, volumes, selector, tmp_path):
    import slicer

    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    shown = nodeOnShow(panel)
    assert slicer.mrmlScene.ReadFromMRB(path, False)
    assert nodeOnShow(panel) is shown is selector.currentNode() and selector.nodeCount() == 2
    [other] = [node for node in selector._nodes().values() if node is not shown]
    pick(selector, other)
    assert panel.ui.fixedSelector.currentNode().GetName() == "Patient A"
    assert panel.ui.fixedSelector.currentNode() is not volumes[0]


# While a job runs ----------------------------------------------------------------------------------------------------


def test_a_result_belongs_to_the_set_that_it_was_started_from(panel, registered, selector):
    from RegExplainLib.MRML.Layers import GlyphLayer

    first, second = registeredTwice(panel, selector)
    shown = panel.session.result
    pick(selector, first)
    panel.ui.registerButton.click()
    pick(selector, second)
    waitUntil(lambda: not panel.session.job)
    assert nodeOnShow(panel) is second and panel.session.result.id == shown.id
    newest = panel.session.results[-1]
    assert len(panel.session.results) == 3 and not GlyphLayer(newest).visible and GlyphLayer(shown).visible
    assert {c.GetBackgroundVolumeID() for c in shown.sliceComposites()} == {shown.fixed.GetID()}
    assert "belongs to the parameter set RegExplain;" in panel.ui.statusLabel.text
    pick(selector, first)
    assert panel.session.result.id == newest.id and panel.session.result.folder is not None
    settle(panel)
    assert GlyphLayer(newest).visible


def test_a_set_without_a_registration_shows_what_comes_meanwhile(panel, volumes, worker, selector):
    panel.ui.registerButton.click()
    selector.addNode()
    waitUntil(lambda: not panel.session.job)
    assert panel.session.result is not None and "mm on average" in panel.ui.statusLabel.text


def test_the_result_of_a_deleted_set_goes_to_the_one_on_show(panel, volumes, worker, selector):
    first = nodeOnShow(panel)
    panel.ui.registerButton.click()
    selector.removeCurrentNode()
    waitUntil(lambda: not panel.session.job)
    assert first.GetScene() is None
    assert panel.session.parameterNode.result == panel.session.result.id


def test_an_explanation_is_not_shown_by_a_set_that_did_not_ask_for_it(panel, registered, selector, shown):
    panel.ui.explainButton.click()
    selector.addNode()
    panel.session.parameterNode.method = "occlusion"
    waitUntil(lambda: not panel.session.job)
    assert panel.session.result.id == registered.id and registered.record["heatmaps"]
    assert shown == [] and "for another registration or parameter set" in panel.ui.statusLabel.text


def test_an_explanation_is_kept_with_its_registration_though_another_set_is_on_show(panel, registered, selector, shown):
    from RegExplainLib.MRML.Layers import HeatmapLayer

    first, second = registeredTwice(panel, selector)
    pick(selector, first)
    panel.ui.explainButton.click()
    pick(selector, second)
    waitUntil(lambda: not panel.session.job)
    assert shown == [] and registered.record["heatmaps"] and not panel.session.result.record["heatmaps"]
    assert "for another registration or parameter set" in panel.ui.statusLabel.text
    pick(selector, first)
    panel.ui.showHeatmapCheckBox.click()
    assert HeatmapLayer(panel.session.result, "encoder-fixed").visible
