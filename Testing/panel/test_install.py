"""Packages are looked for without importing them, and installed on use, after one question."""

import socket
import sys
import types

import pytest

from panel.fixtures import press


@pytest.fixture
def computer(monkeypatch, host):
    """A computer with room and nothing installed; `versions` are what installing put there, `asked` the questions."""
    import importlib.metadata

    import slicer
    from RegExplainLib.GUI.Install import InstallLogic, Licences

    slicer.app.userSettings().remove(Licences.AGREED)
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)  # there is a user
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
    monkeypatch.setattr(InstallLogic.InstallAdvice, "isReachable", lambda host, port: True)
    monkeypatch.setattr("shutil.disk_usage", lambda path: types.SimpleNamespace(free=1e12))
    monkeypatch.setattr("os.access", lambda path, mode: True)
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


def test_the_first_question_names_the_licence_that_is_not_permissive_and_is_the_only_one_to(computer):
    computer.answer = False
    assert computer.logic.ensure() is False
    computer.answer = True
    assert computer.logic.ensure() is True and computer.logic.ensure() is True
    declined, agreed = computer.asked
    assert declined == agreed and "CC BY-SA 4.0" in agreed and "hippocampus, hippocampus-skip" in agreed


def test_where_others_installed_all_packages_the_licence_is_still_asked_about_once(computer):
    computer.versions.update(torch="2.13.0", click="8.1.7", safetensors="0.4.0", Jinja2="3.1.6")
    computer.answer = False
    assert computer.logic.ensure() is False
    computer.answer = True
    assert computer.logic.ensure() is True and computer.logic.ensure() is True
    assert len(computer.asked) == 2
    assert computer.asked[0] == computer.asked[1] and computer.asked[0].startswith("The models hippocampus")


def test_every_licence_of_a_model_is_permissive_or_agreed_to_before_its_first_use(host):
    from regexplain.cards import registry
    from RegExplainLib.GUI.Install import Licences

    assert {card.values["licence"] for card in registry.installed_cards()} <= {"CC-BY-4.0", Licences.SHARE_ALIKE}


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


@pytest.mark.parametrize(
    ("reachable", "proxies", "words"),
    [
        (False, {}, "connect to the internet"),
        (False, {"https": "http://proxy:8080"}, "HTTPS_PROXY"),
        (True, {}, "Python console"),
    ],
)
def test_after_a_failure_it_says_the_way_on(computer, monkeypatch, reachable, proxies, words):
    import slicer
    from regexplain.errors import RegExplainError
    from RegExplainLib.GUI.Install import InstallAdvice

    monkeypatch.setattr(InstallAdvice, "isReachable", lambda host, port: reachable)
    monkeypatch.setattr(InstallAdvice, "getproxies", lambda: proxies)
    monkeypatch.setattr(slicer.util, "pip_install", lambda requirements: 1 / 0)
    with pytest.raises(RegExplainError, match=words):
        computer.logic.ensure()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sys.version_info", (3, 9, 10), "has Python 3.9, and RegExplain needs 3.10"),
        ("os.access", lambda path, mode: False, "cannot be written to"),
        ("shutil.disk_usage", lambda path: types.SimpleNamespace(free=1_500_000_000), "Only 1.5 GB are free"),
    ],
)
def test_what_makes_installing_impossible_is_said_before_anything_is_asked(computer, monkeypatch, name, value, words):
    from regexplain.errors import RegExplainError

    monkeypatch.setattr(f"RegExplainLib.GUI.Install.InstallAdvice.{name}", value)
    with pytest.raises(RegExplainError, match=words):
        computer.logic.ensure()
    assert computer.asked == [] and computer.versions == {}


def test_a_pytorch_that_others_use_is_not_replaced_unasked(computer):
    computer.versions["torch"] = "1.13.1"
    computer.answer = False
    computer.logic.ensure()
    assert "1.13.1" in computer.asked[0] and "other extensions" in computer.asked[0]
    assert computer.versions == {"torch": "1.13.1"}


def test_the_progress_of_installing_is_shown(computer, panel, volumes, monkeypatch):
    from RegExplainLib.GUI.Install import InstallLogic

    seen = []
    logic = InstallLogic.InstallLogic(computer.logic._ask, lambda *values: seen.append(values[0]))
    assert logic.ensure() is True
    assert seen == ["Installing PyTorch", "Installing click, safetensors, Jinja2"]


def test_nobody_is_asked_for_a_connection_that_is_not_there(host, monkeypatch):
    from RegExplainLib.GUI.Install.InstallAdvice import isReachable

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert isReachable("127.0.0.1", port) is True
    assert isReachable("127.0.0.1", port) is False

    def unknown(*arguments):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert isReachable("name.invalid", 443) is False


def test_registering_asks_first_and_starts_nothing_where_declined(computer, panel, volumes, shown, monkeypatch):
    monkeypatch.setattr(panel.session._verb, "_installLogic", computer.logic)
    computer.answer = False
    press(panel, panel.ui.registerButton)
    assert len(computer.asked) == 1 and shown == [] and panel.ui.registerButton.enabled
    assert panel.ui.logText.toPlainText() == ""
