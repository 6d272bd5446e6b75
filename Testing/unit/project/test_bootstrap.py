"""The set-up of a clone never brings CUDA, and is over in a moment when nothing changed."""

import json

import pytest

import bootstrap


@pytest.fixture
def pip(monkeypatch):
    """Stands in for pip: plans to install `pip.plan`, and remembers what it was asked."""

    class Pip:
        plan, calls = (), []

        def __call__(self, *arguments):
            self.calls = [*self.calls, arguments]
            return json.dumps({"install": [{"metadata": {"name": name}} for name in self.plan]})

    stand_in = Pip()
    monkeypatch.setattr(bootstrap, "pip", stand_in)
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    return stand_in


@pytest.mark.parametrize("package", ["nvidia-cublas", "nvidia-cudnn-cu13", "cuda-toolkit", "triton"])
def test_torch_is_not_installed_where_it_would_bring_cuda(pip, monkeypatch, package):
    monkeypatch.setattr(bootstrap, "answers", lambda url: False)
    pip.plan = ("torch", "sympy", package)
    with pytest.raises(SystemExit, match="PIP_FIND_LINKS"):
        bootstrap.install_torch()
    assert ["--dry-run" in call for call in pip.calls] == [True]


@pytest.mark.parametrize("reachable", [True, False])
def test_torchs_cpu_index_is_asked_only_where_it_answers(pip, monkeypatch, reachable):
    monkeypatch.setattr(bootstrap, "answers", lambda url: reachable)
    pip.plan = ("torch", "sympy")
    bootstrap.install_torch()
    assert len(pip.calls) == 2
    assert all((bootstrap.TORCH_CPU_INDEX in call) == reachable for call in pip.calls)


def test_a_torch_that_is_there_already_stays(pip, monkeypatch):
    monkeypatch.setattr(bootstrap, "answers", lambda url: False)
    bootstrap.install_torch()
    assert len(pip.calls) == 1


def test_an_index_that_cannot_be_reached_does_not_answer():
    assert not bootstrap.answers("http://127.0.0.1:9/whl/cpu")


@pytest.mark.parametrize("change", ["requirements", "folder"])
def test_the_set_up_runs_again_when_the_requirements_or_the_folder_changed(monkeypatch, tmp_path, change):
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(bootstrap, "runs", lambda *arguments: True)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]")
    assert not bootstrap.is_current()
    bootstrap.STAMP.write_text(bootstrap.fingerprint())
    assert bootstrap.is_current()
    if change == "requirements":
        (tmp_path / "pyproject.toml").write_text("[project] # changed")
    else:
        (tmp_path / "moved").mkdir()
        (tmp_path / "moved" / "pyproject.toml").write_text("[project]")
        monkeypatch.setattr(bootstrap, "ROOT", tmp_path / "moved")
    assert not bootstrap.is_current()
