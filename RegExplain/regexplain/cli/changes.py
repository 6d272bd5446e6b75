from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import add_to_result, verb


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@verb
def changes(result: Path, progress: Progress) -> str:
    """What changed between two scans of one contrast, apart from what moved. No detector of disease."""
    from ..changes import detect_changes
    from ..results.registration_result import RegistrationResult

    progress.report("Comparing", 0, 2)
    found = detect_changes(RegistrationResult.load(result), result)
    progress.report("Comparing", 1, 2)
    add_to_result(result, found)
    progress.report("Comparing", 2, 2)
    return str(result)
