"""The real panel on the stand-in host, with a fake worker: what a user sees and can do."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from panel.fixtures import addSegmentation, addVolume, jobFolders, keepCommands, press, waitUntil

# Choosing ------------------------------------------------------------------------------------------------------------


def test_the_buttons_say_what_they_wait_for(panel):
    ui = panel.ui
    for button in (ui.registerButton, ui.explainButton, ui.animateButton, ui.trustButton, ui.reportButton):
        assert not button.enabled and button.toolTip.endswith(".")
    assert "fixed and a moving volume" in panel.ui.registerButton.toolTip
    assert "Register two volumes" in panel.ui.explainButton.toolTip


def test_register_wants_two_different_volumes(panel, volumes):
    assert panel.ui.registerButton.enabled
    panel.ui.movingSelector.setCurrentNode(volumes[0])
    assert not panel.ui.registerButton.enabled and "different" in panel.ui.registerButton.toolTip
    panel.ui.movingSelector.setCurrentNode(None)
    assert not panel.ui.registerButton.enabled


def test_the_selectors_offer_volumes_but_no_label_maps(panel):
    import slicer

    addVolume("Scan")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    assert panel.ui.fixedSelector.nodeCount() == 1


def test_a_choice_in_the_panel_is_kept_in_the_parameter_node(panel, volumes):
    panel.ui.heatmapThresholdSlider.value = 40.0
    panel.ui.stageSelector.currentIndex = 2
    parameters = panel.session.parameterNode
    assert parameters.heatmapThreshold == 40 and parameters.stage == "decoder"
    assert panel.ui.fixedSelector.currentNode() is volumes[0]


def test_every_installed_model_is_offered(panel):
    from regexplain.cards import registry

    texts = [panel.ui.modelSelector.itemText(n) for n in range(panel.ui.modelSelector.count)]
    line = [""]
    assert texts == ["Automatic", *line, *(card.name for card in registry.installed_cards()), *line, "Affine only"]


def test_every_control_has_a_tooltip(panel):
    passive = ("QLabel", "QWidget", "qMRMLWidget", "ctkCollapsibleButton")
    controls = [w for w in vars(panel.ui).values() if w.className() not in passive]
    assert len(controls) > 45
    for control in controls:
        if not control.name.startswith("qt_"):
            assert control.toolTip.strip(), control.name


def test_the_panel_fits_341_pixels_beside_a_scroll_bar_of_15(module, panel, registered):
    for name, section in vars(panel.ui).items():
        if name.endswith("CollapsibleButton"):
            section.collapsed = False
    waitUntil(lambda: True)
    assert module.parent.widgetRepresentation().minimumSizeHint.width() <= 341 - 15


@pytest.mark.ci
def test_nothing_is_imported_or_installed_when_the_module_opens(module):
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from panel import host; host.start()
from panel.host.application import LoadedModule
import slicer
def refuse(*_): raise AssertionError("installing at start-up")
slicer.util.pip_install = refuse
LoadedModule({module.parent.path!r}).open()
print(*sorted(name for name in ("torch", "safetensors", "sklearn", "click", "jinja2") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


# A run ---------------------------------------------------------------------------------------------------------------


def test_a_registration_enters_the_scene_with_its_arrows(panel, registered):
    from RegExplainLib.MRML.Layers import GlyphLayer

    assert registered.deformation is not None and registered.warpedMoving is not None
    assert GlyphLayer(registered).visible and panel.ui.showArrowsCheckBox.checked
    assert "mm on average" in panel.ui.statusLabel.text and "Dice" in panel.ui.statusLabel.text
    assert "Warning: Segment 3 is only in the fixed segmentation." in panel.ui.statusLabel.text
    assert "Warning: The scans were made on different scanners." in panel.ui.statusLabel.text
    assert jobFolders() == []


@pytest.mark.parametrize("moving_atypical, said", [(False, True), (True, False), (None, False)])
def test_scans_like_the_training_images_are_said_to_be_so(panel, registered, moving_atypical, said):
    """Atypical ones have their warning; results of earlier versions do not know."""
    from RegExplainLib.GUI.Sections.RegisterSection import registrationSummary

    stands = {"fixed": {"atypical": False}, "moving": {"atypical": moving_atypical}}
    record = registered.record | ({} if moving_atypical is None else {"population": stands})
    assert ("Both scans are like those" in registrationSummary(record)) == said


def test_segments_keep_the_names_that_the_user_gave(panel, registered):
    texts = [panel.ui.regionSelector.itemText(n) for n in range(panel.ui.regionSelector.count)]
    assert texts == ["All segments", "Head", "Tail"]


def test_the_progress_and_the_log_are_seen(panel, volumes, worker):
    seen = []
    panel.session.runner.progress.connect(
        lambda *values: seen.append((values, panel.ui.progressBar.isVisibleTo(panel.ui.RegExplain)))
    )
    press(panel, panel.ui.registerButton)
    assert seen == [(("Registering", 1, 2), True), (("Registering", 2, 2), True), (("Loading", 0, 0), True)]
    assert panel.ui.progressBar.isVisibleTo(panel.ui.RegExplain) is False
    log = panel.ui.logText.toPlainText()
    assert log.startswith("regexplain register ") and "Registering: 2/2" in log


def test_the_worker_gets_every_choice_in_its_place(panel, volumes, worker, monkeypatch):
    import SimpleITK as sitk

    import slicer

    parameters = panel.session.parameterNode
    slicer.util.arrayFromVolume(volumes[1])[:] += 1000
    parameters.fixedSegmentation = addSegmentation("F", volumes[0], ["Head"])
    parameters.movingSegmentation = addSegmentation("M", volumes[1], ["Body", "Head"])
    parameters.initialTransform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Rough")
    parameters.fixedMask = addSegmentation("Kept", volumes[0], ["A", "B"])
    kept = np.zeros((8, 8, 8), np.uint8)
    kept[5:, :, 2] = 7
    parameters.movingMask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Kept too")
    slicer.util.updateVolumeFromArray(parameters.movingMask, kept)
    commands = []
    monkeypatch.setattr(panel.session.runner, "start", lambda arguments, scratch: commands.append(arguments))
    panel.ui.registerButton.click()
    waitUntil(lambda: commands)
    [[verb, fixed, moving, *options]] = commands
    options.remove("--error")
    files = dict(zip(options[::2], options[1::2], strict=True))
    assert verb == "register" and files["--model"] == "auto" and not Path(files["--output"]).exists()
    assert sitk.GetArrayFromImage(sitk.ReadImage(fixed)).min() == 0
    assert sitk.GetArrayFromImage(sitk.ReadImage(moving)).min() == 1000
    labels = [sitk.ReadImage(files[f"--{role}-segmentation"]) for role in ("fixed", "moving")]
    assert [sorted(set(sitk.GetArrayFromImage(image).ravel().tolist())) for image in labels] == [[0, 1], [0, 1, 2]]
    assert sitk.GetArrayFromImage(labels[1])[2, 0, 0] == 1  # the moving scan's second segment is the fixed one's first
    masks = [sitk.GetArrayFromImage(sitk.ReadImage(files[f"--{role}-mask"])) for role in ("fixed", "moving")]
    assert (masks[0][1:3] == 1).all() and masks[0].sum() == 128  # both segments' slabs
    assert (masks[1] == (kept > 0)).all()
    assert sitk.ReadTransform(files["--initial-transform"]).IsLinear()
    assert "Patient" not in " ".join(commands[0])
    shutil.rmtree(Path(fixed).parent)


def test_explaining_shows_a_heatmap_that_the_sliders_change(panel, registered):
    from RegExplainLib.MRML.Layers import HeatmapLayer

    panel.ui.regionSelector.currentIndex = 1
    panel.ui.heatmapThresholdSlider.value = 50.0
    press(panel, panel.ui.explainButton)
    layer = HeatmapLayer(registered, "encoder-fixed")
    assert layer.visible and panel.ui.showHeatmapCheckBox.checked
    assert "--region 1" in panel.ui.logText.toPlainText()
    assert layer.threshold == 0.5
    panel.ui.heatmapOpacitySlider.value = 30.0
    assert layer.opacity == pytest.approx(0.3)
    panel.ui.showHeatmapCheckBox.click()
    assert not layer.visible
    panel.ui.stageSelector.currentIndex = 1
    assert HeatmapLayer(registered, "encoder-moving").visible


def test_a_components_map_is_listed_shown_and_asked_for_again_by_its_component(panel, registered, monkeypatch):
    from RegExplainLib.MRML.Layers import HeatmapLayer

    press(panel, panel.ui.explainButton)
    record = registered.record
    record["heatmaps"].append(record["heatmaps"][0] | {"stage": "component-03-fixed", "region_label": None})
    registered.node("record").SetText(json.dumps(record))
    panel.session.changed.emit()
    texts = [panel.ui.stageSelector.itemText(n) for n in range(panel.ui.stageSelector.count)]
    assert texts[-1] == "Component 3 in the fixed image"
    panel.ui.stageSelector.currentIndex = len(texts) - 1
    assert HeatmapLayer(registered, "component-03-fixed").visible
    assert "Component 3 in the fixed image: warm where" in panel.ui.statusLabel.text
    commands = keepCommands(panel, monkeypatch)
    panel.ui.regionSelector.currentIndex = 1
    panel.ui.explainButton.click()
    assert commands[0][0] == "explain" and commands[0][2:] == ["--component", "3"]


def test_a_map_by_another_method_is_listed_by_it_and_asked_for_again_in_the_same_way(panel, registered, monkeypatch):
    from RegExplainLib.MRML.Layers import HeatmapLayer

    press(panel, panel.ui.explainButton)
    record = registered.record
    record["heatmaps"].append(record["heatmaps"][0] | {"method": "hirescam", "scalar": "left", "region_label": None})
    registered.node("record").SetText(json.dumps(record))
    panel.session.changed.emit()
    texts = [panel.ui.stageSelector.itemText(n) for n in range(panel.ui.stageSelector.count)]
    assert texts[0] == "Encoder on the fixed image" and texts[-1] == texts[0] + " (HiResCAM, towards left)"
    panel.ui.stageSelector.currentIndex = len(texts) - 1
    assert HeatmapLayer(registered, "encoder-fixed.hirescam.left").visible
    assert "move it towards left" in panel.ui.statusLabel.text
    commands = keepCommands(panel, monkeypatch)
    panel.ui.explainButton.click()
    together = [word for stage in ("encoder-fixed", "encoder-moving", "decoder") for word in ("--stage", stage)]
    assert commands[0][2:] == [*together, "--method", "hirescam", "--scalar", "left"]


@pytest.fixture
def withoutComponents(monkeypatch):
    """The model that made the registration is of the family without latent components."""
    from regexplain.cards import registry

    card = registry.ModelCard(Path("nowhere"), {"name": "two contrasts", "network": {"type": "fire"}, "files": {}})
    monkeypatch.setattr(registry, "card_by_checksum", lambda digest: card)
    return card


def test_the_stages_are_those_of_the_model_that_made_the_registration(panel, withoutComponents, registered):
    texts = [panel.ui.stageSelector.itemText(n) for n in range(panel.ui.stageSelector.count)]
    assert len(texts) == 12 and texts[0] == "Encoder on the fixed image"
    assert "Transformation from the moving to the fixed image" in texts and "Synthesis of the moving image" in texts
    assert "Decoder" not in texts


def test_a_model_without_components_has_no_motions_which_is_said_and_no_error(
    panel, withoutComponents, registered, shown
):
    ui = panel.ui
    assert not ui.componentsButton.enabled and "has no latent components" in ui.componentsButton.toolTip
    assert not ui.decomposeButton.enabled and "has no latent components" in ui.decomposeButton.toolTip
    assert [ui.componentSelector.itemText(n) for n in range(ui.componentSelector.count)] == ["The whole registration"]
    assert ui.explainButton.enabled and shown == []


def test_a_stage_with_a_number_of_its_own_says_which_and_is_asked_for_again_without_it(
    panel, withoutComponents, registered, monkeypatch
):
    press(panel, panel.ui.explainButton)
    record = registered.record
    own = {"stage": "synthesis-fixed", "method": "grad-cam", "scalar": "synthesis", "region_label": None}
    record["heatmaps"].append(record["heatmaps"][0] | own)
    registered.node("record").SetText(json.dumps(record))
    panel.session.changed.emit()
    texts = [panel.ui.stageSelector.itemText(n) for n in range(panel.ui.stageSelector.count)]
    assert texts.count("Synthesis of the fixed image") == 1
    panel.ui.stageSelector.currentIndex = texts.index("Synthesis of the fixed image")
    assert "synthetic image like the real one" in panel.ui.statusLabel.text
    commands = keepCommands(panel, monkeypatch)
    panel.ui.explainButton.click()
    assert commands[0][2:] == ["--stage", "synthesis-fixed", "--method", "grad-cam"]


def test_animating_plays_and_the_slider_stops_it(panel, registered):
    from RegExplainLib.MRML.Layers import AnimationLayer

    press(panel, panel.ui.componentsButton)
    layer = AnimationLayer(registered, 1)
    assert layer.visible and layer.browser.GetPlaybackActive() and panel.ui.animateButton.text == "Pause"
    assert "50 % of variation" in panel.ui.componentSelector.currentText
    panel.ui.strengthSlider.value = 1.5
    assert not layer.browser.GetPlaybackActive() and panel.ui.animateButton.text == "Play"
    assert layer.strengths[layer.browser.GetSelectedItemNumber()] == 1.5
    panel.ui.animateButton.click()
    panel.ui.componentSelector.currentIndex += 1
    assert AnimationLayer(registered, 2).visible and not layer.visible


def test_the_components_are_listed_by_what_they_do(panel, registered):
    press(panel, panel.ui.componentsButton)
    selector = panel.ui.componentSelector
    assert selector.currentText == "1: 0.2 mm per SD (50 % of variation)"  # a result from before components had names
    assert "direction in which the training cases differ" in selector.toolTip
    record = registered.record
    record["components"]["items"][0] |= {"name": "turns anterior towards left by 3.1° per SD", "words": "Tissue turns."}
    registered.node("record").SetText(json.dumps(record))
    panel.session.changed.emit()
    assert selector.currentText == "1: turns anterior towards left by 3.1° per SD (50 % of variation)"
    assert selector.toolTip.startswith("<p>Tissue turns. The gold outline")
    selector.currentIndex += 1
    assert "direction in which the training cases differ" in selector.toolTip


def test_the_slider_goes_with_the_animation(panel, registered):
    from RegExplainLib.MRML.Layers import AnimationLayer

    press(panel, panel.ui.componentsButton)
    layer = AnimationLayer(registered, 1)
    layer.setFrame(2)
    assert panel.ui.strengthSlider.value == layer.strengths[2] != 0
    assert layer.browser.GetPlaybackActive()


def test_an_animation_asks_for_a_segmentation(panel, volumes, worker):
    press(panel, panel.ui.registerButton)
    assert panel.ui.explainButton.enabled
    assert not panel.ui.animateButton.enabled and "segmentation" in panel.ui.animateButton.toolTip


def test_the_panel_says_plainly_that_no_model_fits(panel, volumes, worker):
    worker("affine")
    press(panel, panel.ui.registerButton)
    assert "no installed model fits" in panel.ui.statusLabel.text
    assert not panel.ui.explainButton.enabled and "No model fitted" in panel.ui.explainButton.toolTip
    assert not panel.ui.showArrowsCheckBox.enabled


def test_the_panel_says_plainly_why_the_bending_was_not_kept_and_what_to_do(panel, volumes, worker):
    import json

    worker("affine")
    press(panel, panel.ui.registerButton)
    record = panel.session.result.record | {"not_kept": "brain-t1-flair"}
    panel.session.result.node("record").SetText(json.dumps(record))
    panel.session.changed.emit()
    from RegExplainLib.GUI.Sections.RegisterSection import registrationSummary

    for words in (panel.ui.explainReasonLabel.text, registrationSummary(record)):
        assert "less alike after" in words and "choose brain-t1-flair by its name under Model" in words
    assert "no installed model fits" not in registrationSummary(record)
    assert "not bent, so there are no figures by region" in panel.ui.regionsLabel.text


def test_the_inputs_stay_as_they_were(panel, volumes, worker):
    import slicer

    before = [(v.GetName(), slicer.util.arrayFromVolume(v).copy(), v.GetMTime()) for v in volumes]
    press(panel, panel.ui.registerButton)
    for volume, (name, array, time_) in zip(volumes, before, strict=True):
        assert (
            volume.GetName() == name
            and (slicer.util.arrayFromVolume(volume) == array).all()
            and volume.GetMTime() == time_
        )


def longestStep(seconds):
    """Of the main thread in that time, in seconds."""
    import slicer

    longest, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        slicer.app.processEvents()
        longest = max(longest, time.monotonic() - began)
    return longest


def test_nothing_blocks_while_the_worker_runs(panel, volumes, worker, tmp_path):
    """What blocks does so every time; another program on this computer does not."""
    steps = []
    while not steps or (min(steps) >= 0.1 and len(steps) < 4):
        worker("hang", tmp_path / "pids")
        panel.ui.registerButton.click()
        steps.append(longestStep(1))
        panel.session.cancel()
        waitUntil(lambda: not panel.session.job)
    assert min(steps) < 0.1, steps


# The scene changes ---------------------------------------------------------------------------------------------------


def test_a_newer_result_takes_the_older_ones_place_and_gives_it_back(panel, registered, worker):
    from RegExplainLib.MRML.Layers import GlyphLayer

    press(panel, panel.ui.registerButton)
    newer = panel.session.result
    assert newer.id != registered.id
    assert GlyphLayer(newer).visible and not GlyphLayer(registered).visible
    assert not registered.warpedSegmentation.GetDisplayVisibility()
    newer.remove()
    assert panel.session.result.id == registered.id and panel.ui.explainButton.enabled


def saveAndReload(tmp_path):
    import slicer

    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(False)
    assert slicer.mrmlScene.ReadFromMRB(path)
    return path


def test_a_saved_scene_reopens_with_the_same_panel(panel, registered, tmp_path):
    from RegExplainLib.MRML.Layers import HeatmapLayer

    panel.ui.stageSelector.currentIndex = 2
    panel.ui.heatmapOpacitySlider.value = 20.0
    press(panel, panel.ui.explainButton)
    panel.ui.regionSelector.currentIndex = 1
    saveAndReload(tmp_path)
    assert panel.ui.fixedSelector.currentNode().GetName() == "Patient A"
    assert panel.ui.movingSelector.currentNode().GetName() == "Patient B"
    assert panel.ui.stageSelector.currentIndex == 2 and panel.ui.regionSelector.currentText == "Head"
    assert panel.ui.heatmapOpacitySlider.value == 20
    assert panel.session.result.id == registered.id
    assert HeatmapLayer(panel.session.result, "decoder").added
    assert panel.ui.explainButton.enabled  # the folder of the same session is still known


def test_a_scene_holds_no_path_of_the_result_folder(panel, registered, tmp_path):
    import zipfile

    import slicer

    path = saveAndReload(tmp_path)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert str(slicer.app.temporaryPath).encode() not in archive.read(name), name


def test_an_explanation_asks_to_register_again_where_the_files_are_gone(panel, registered):
    shutil.rmtree(registered.folder.path)
    panel._setParameterNode(panel.session.parameterNode)
    assert not panel.ui.explainButton.enabled and "register again" in panel.ui.explainButton.toolTip


def test_leaving_and_entering_the_module_keeps_the_panel(module, panel, volumes):
    import slicer

    module.leave()
    slicer.mrmlScene.Clear(False)
    assert panel.session.parameterNode is None and not panel.ui.registerButton.enabled
    module.open()
    assert panel.session.parameterNode is not None


def test_closing_the_module_leaves_no_observer(module, panel, volumes):
    import slicer

    ui, parameterNode = panel.ui, panel.session.parameterNode.parameterNode
    module.close()
    parameterNode.Modified()
    addVolume("Another")
    slicer.mrmlScene.Clear(False)
    assert panel.session.parameterNode is None
    assert ui is not None


# The protocol --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        '"event"',
        "{}",
        '{"event": "progress"}',
        '{"event": ["progress"]}',
        "[" * 100_000,
        '{"event": "started", "pid": Infinity}',
        '{"event": "progress", "stage": "x", "done": "1e9x", "total": 1}',
    ],
)
def test_what_is_no_event_is_taken_for_text(host, line):
    from RegExplainLib.GUI.Jobs.JobRunner import parsedEvent

    assert parsedEvent(line) is None


def test_the_panel_understands_what_regexplain_prints(host, capsys):
    from regexplain.progress import JsonProgress
    from RegExplainLib.GUI.Jobs.JobRunner import parsedEvent

    progress = JsonProgress()
    progress.report("Registering", 2, 5)
    progress.warn("Überlappung klein")
    progress.emit("finished", result="/a b/c")
    assert [parsedEvent(line) for line in capsys.readouterr().out.splitlines()] == [
        ("progress", ["Registering", 2, 5]),
        ("warning", ["Überlappung klein"]),
        ("finished", ["/a b/c"]),
    ]
