"""`regexplain scene` and its child process: what goes wrong there is said here."""

import sys

import pytest

from regexplain.cli.scene import _run
from regexplain.errors import RegExplainError
from regexplain.progress import Progress


class Kept(Progress):
    def __init__(self):
        self.statusMessage = []

    def report(self, stage, done, total, numbers=None):
        self.statusMessage.append((stage, done, total))

    def warn(self, message):
        self.statusMessage.append(message)


def child(code: str) -> list[str]:
    return [sys.executable, "-c", f"import json, sys\nsay = lambda **e: print(json.dumps(e), flush=True)\n{code}"]


def test_progress_and_warnings_pass_through_other_output_does_not():
    progress = Kept()
    events = "say(event='progress', stage='Drawing', done=1, total=2); print('VTK chatter');"
    events += "say(event='warning', message='No GL.')"
    _run(child(events), progress)
    assert progress.statusMessage == [("Drawing", 1, 2), "No GL."]


@pytest.mark.parametrize(
    "code, words",
    [
        ("say(event='error', message='The scene is too large.'); sys.exit(1)", "^The scene is too large.$"),
        ("print('a library gave up'); sys.exit(1)", "could not be built: a library gave up"),
        ("import os; os._exit(139)", "could not be built: it ended without a word"),
    ],
)
def test_a_child_that_fails_gives_one_sentence(code, words):
    with pytest.raises(RegExplainError, match=words):
        _run(child(code), Kept())
