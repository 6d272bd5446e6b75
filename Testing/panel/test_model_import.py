"""Importing a network of another framework in the panel: what is asked, what is passed on, what is shown then."""

import json

import pytest

from panel.fixtures import addVolume, press
from regexplain.cards.registry import ModelCard
from regexplain.cards.settings import HOME, user_models
from regexplain.cards.stages import module_titles


@pytest.fixture
def asked(monkeypatch, tmp_path, panel):
    """The questions that were asked, all answered by yes; `choose` is the file that the user chooses."""
    import qt

    import slicer

    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    questions = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, **_: questions.append(text) or True)

    def choose(path):
        monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))

    panel.choose = choose
    return questions


def texts(comboBox):
    return [comboBox.itemText(n) for n in range(comboBox.count)]


def imported():
    return json.loads((user_models() / "mine" / "card.json").read_text())["arguments"]


def write_card(folder, package):
    path = folder / "mine.json"
    path.write_text(json.dumps({"name": "mine", "network": {"class": f"{package}.Net"}}))
    return path


def test_an_imported_network_is_listed_as_yours_chosen_and_its_finding_is_said(panel, asked, worker, tmp_path):
    card = write_card(tmp_path, "monai")
    panel.choose(card)
    press(panel, panel.ui.importModelButton)
    assert imported()[:3] == ["card", str(card), "--check"] and "--image" not in imported()
    assert asked == []
    listed = texts(panel.ui.modelSelector)
    assert listed[-4:] == ["", "Yours: mine", "", "Affine only"] and listed[0] == "Automatic"
    assert panel.session.parameterNode.model == "mine"
    assert "mine was imported. The convention on the card fits." in panel.ui.statusLabel.text
    panel.ui.modelCardButton.click()
    assert "a shift finder" in panel.ui.modelCardText.toPlainText()


def test_it_is_checked_on_the_fixed_volume_and_a_package_that_is_not_known_is_asked_for(panel, asked, worker, tmp_path):
    panel.session.parameterNode.fixed = addVolume("Patient A")
    panel.choose(write_card(tmp_path, "somebodys_code"))
    press(panel, panel.ui.importModelButton)
    assert len(asked) == 1 and "runs the code of the Python package somebodys_code" in asked[0]
    arguments = imported()
    assert arguments[arguments.index("--allow-package") + 1] == "somebodys_code"
    assert arguments[arguments.index("--image") + 1].endswith("fixed.nrrd")
    press(panel, panel.ui.importModelButton)
    assert "You have a model mine already. Replace it?" in asked[-1] and "--overwrite" in imported()


def test_a_finding_that_it_does_not_fit_is_shown_and_nothing_is_listed(panel, asked, worker, shown, tmp_path):
    worker("error")
    panel.choose(write_card(tmp_path, "monai"))
    press(panel, panel.ui.importModelButton)
    assert len(shown) == 1
    assert not any(text.startswith("Yours") for text in texts(panel.ui.modelSelector))


def test_a_file_of_a_bundle_stands_for_the_bundle(panel, asked, worker, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    panel.choose(tmp_path / "configs" / "metadata.json")
    press(panel, panel.ui.importModelButton)
    assert imported()[:2] == ["monai", str(tmp_path)]


def test_modules_are_offered_by_their_place_in_the_tree_and_their_size():
    rows = [
        {"module": "model", "channels": 8, "size": [16, 24, 32]},
        {"module": "model.down.0", "channels": 16, "size": [8, 12, 16]},
    ]
    assert module_titles(rows) == {"model": "model: 8 × (16 × 24 × 32)", "model.down.0": "      0: 16 × (8 × 12 × 16)"}


def test_the_modules_of_the_network_that_made_a_result_are_stages_to_choose(panel, registered, monkeypatch):
    network = {"type": "external", "stages": {"bottom": {"module": "model.down"}}}
    rows = [{"module": "model.down", "channels": 16, "size": [8, 12, 16]}]
    card = ModelCard(None, {"name": "mine", "network": network, "modules": rows, "files": {}})
    monkeypatch.setattr(type(panel.session.selection), "card", property(lambda self: card))
    panel.session.changed.emit()
    assert texts(panel.ui.stageSelector) == ["Bottom", "   down: 16 × (8 × 12 × 16)"]
    panel.ui.stageSelector.currentIndex = 1
    press(panel, panel.ui.explainButton)
    assert "--stage model.down" in panel.ui.logText.toPlainText()
