from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import RegExplainError
from ..progress import Progress
from .verb import verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--pictures", is_flag=True, help="PNGs of every layer too.")
@verb
def scene(result: Path, pictures: bool, progress: Progress) -> str:
    """scene.mrb with every layer, for 3D Slicer."""
    from importlib.util import find_spec

    from ..errors import BadInputError
    from ..report import write_report
    from ..results.folder import ResultFolder

    folder = ResultFolder.open(result)
    if find_spec("slicer") is None:
        raise BadInputError(
            "Scenes are built with Slicer's own core, which is not installed here: pip install slicer-core."
        )
    with folder.staging() as staging:
        command = [
            sys.executable,
            "-m",
            "RegExplainLib.MRML",
            str(result.absolute()),
            "--scene",
            str((staging / "scene.mrb").absolute()),
        ]
        if pictures:
            command += ["--pictures", str((staging / "pictures").absolute())]
        # A process of its own: imports point from RegExplainLib to here only, and a missing GL library ends it, not us.
        _run(command, progress)
    write_report(folder)
    return str(result)


def _run(command: list[str], progress: Progress) -> None:
    """Run the child and pass its progress on; its error becomes ours."""
    last = "it ended without a word (out of memory, or no graphics library)."
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout
        try:
            for line in child.stdout:
                event = _event(line)
                if event is None:
                    last = line.strip() or last
                elif event["event"] == "progress":
                    progress.report(event["stage"], event["done"], event["total"])
                elif event["event"] == "warning":
                    progress.warn(event["message"])
                elif event["event"] == "error":
                    raise RegExplainError(event["message"])
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise RegExplainError(f"The scene could not be built: {last}")


def _event(line: str) -> dict[str, Any] | None:
    """One of the contract's JSON lines (docs/worker.md); None for any other text."""
    try:
        event = json.loads(line)
        return event if "event" in event else None
    except (ValueError, TypeError):
        return None
