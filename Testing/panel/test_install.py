"""Packages are looked for without importing them, and installed on use, after one question."""

import sys
import types

import pytest

from panel.fixtures import press


@pytest.fixture
def computer(monkeypatch, host):
    """A computer with nothing installed; `versions` are what installing put there, `asked` the questions."""
    import importlib.metadata

    import slicer
    from RegExplainLib.GUI import InstallLogic

    versions = {}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    def pipInstall(requirements):
        versions.update({InstallLogic.nameOf(r): r.partition(">=")[2].partition(",")[0] for r in requirements})

    class PyTorchUtilsLogic:
        def installTorch(self, askConfirmation=False, torchVersionRequirement=None):
            assert torchVersionRequirement == InstallLogic.TORCH.removeprefix("torch")
            versions["torch"] = "2.13.0+cpu"
            return types.ModuleType("torch")

    monkeypatch.setattr(InstallLogic.importlib.metadata, "version", version)
    monkeypatch.setattr(slicer.util, "pip_install", pipInstall)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", types.SimpleNamespace(PyTorchUtilsLogic=PyTorchUtilsLogic))
    computer = types.SimpleNamespace(versions=versions, asked=[], answer=True)
    computer.logic = InstallLogic.InstallLogic(lambda question: computer.asked.append(question) or computer.answer)
    return computer


def test_all_that_is_missing_is_installed_after_one_question(computer):
    assert computer.logic.ensure() is True
    assert set(computer.versions) == {"torch", "click", "safetensors", "Jinja2"}
    [question] = computer.asked
    assert "torch, click, safetensors, Jinja2" in question and "internet" in question
    assert computer.logic.ensure() is True and len(computer.asked) == 1


def test_declining_installs_nothing(computer):
    computer.answer = False
    assert computer.logic.ensure() is False and computer.versions == {}


def test_a_version_out_of_range_counts_as_missing(computer):
    computer.versions.update(torch="1.13.1", click="9.0", safetensors="0.4.0", Jinja2="3.1.6")
    assert computer.logic.missing() == ["torch>=2.5,<3", "click>=8.1,<9"]
    computer.versions.update(torch="2.13.0+cpu", click="8.1.7rc1")
    assert computer.logic.missing() == []


def test_without_the_pytorch_extension_it_says_where_to_get_it(computer, monkeypatch):
    from regexplain.errors import RegExplainError

    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    with pytest.raises(RegExplainError, match="PyTorch extension; get it in the Extensions Manager"):
        computer.logic.ensure()


@pytest.mark.parametrize("failing", ["raises", "does nothing"])
def test_an_installation_that_fails_is_one_sentence(computer, monkeypatch, failing):
    import slicer
    from regexplain.errors import RegExplainError

    monkeypatch.setattr(slicer.util, "pip_install", lambda requirements: 1 / 0 if failing == "raises" else None)
    with pytest.raises(RegExplainError, match="try again"):
        computer.logic.ensure()


def test_registering_asks_first_and_starts_nothing_where_declined(computer, panel, volumes, shown, monkeypatch):
    monkeypatch.setattr(panel.session, "_installLogic", computer.logic)
    computer.answer = False
    press(panel, panel.ui.registerButton)
    assert len(computer.asked) == 1 and shown == [] and panel.ui.registerButton.enabled
    assert panel.ui.logText.toPlainText() == ""
