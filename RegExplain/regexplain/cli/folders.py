"""What the verbs share that make a folder of tables and figures from a folder of data."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import RegExplainError


def folder_options(data: str) -> Callable[[Callable], Callable]:
    """--data, with this help, and --output."""

    def with_options(function: Callable) -> Callable:
        for name, words in (("--output", "The folder to write; complete or absent."), ("--data", data)):
            kind = click.Path(path_type=Path)
            function = click.option(name, type=kind, required=True, metavar="FOLDER", help=words)(function)
        return function

    return with_options


def check_packages(**packages: str) -> None:
    """module=package. Raises RegExplainError where one is not installed."""
    missing = [name for module, name in packages.items() if find_spec(module) is None]
    if missing:
        raise RegExplainError(
            f"Studies need {' and '.join(missing)}, not installed here: pip install 'regexplain[torch,study]'."
        )
