"""What every verb shares: progress, one-sentence errors, exit codes, a clean end when cancelled."""

from __future__ import annotations

import functools
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import readable_error
from ..progress import JsonProgress, Progress, TerminalProgress

if TYPE_CHECKING:
    from ..results.folder import ResultPart
    from ..results.registration_result import RegistrationResult


def verb(function: Callable[..., str | None]) -> Callable[..., None]:
    """Options --progress and --verbose around a verb, which gets `progress` and returns what it made, if anything."""

    @click.option(
        "--progress",
        "style",
        type=click.Choice(["bar", "json"]),
        default="bar",
        help="For people, or one JSON object a line for programs.",
    )
    @click.option("--verbose", is_flag=True, help="On an error, the whole traceback.")
    @functools.wraps(function)
    def wrapped(style: str, verbose: bool, **options: object) -> None:
        progress: Progress = JsonProgress() if style == "json" else TerminalProgress()
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            output = function(progress=progress, **options)
        except (Exception, KeyboardInterrupt) as error:
            progress.close()
            if verbose:
                traceback.print_exc()
            readable = readable_error(error)
            _print_error(progress, str(readable))
            sys.exit(readable.exit_code)
        progress.close()
        if isinstance(progress, JsonProgress):
            progress.emit("finished", result=output)

    return wrapped


def _print_error(progress: Progress, message: str) -> None:
    if isinstance(progress, JsonProgress):
        progress.emit("error", message=message)
    print(f"Error: {message}", file=sys.stderr)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def add_to_result(result: Path, part: ResultPart) -> None:
    """Write `part` into the finished result there, and the report anew."""
    from ..report import write_report
    from ..results.folder import ResultFolder

    folder = ResultFolder.open(result)
    folder.add(part)
    write_report(folder)


def basis_option(function: Callable) -> Callable:
    """--basis, of the latent components."""
    return click.option(
        "--basis",
        type=click.Choice(["pca", "readable"]),
        default="pca",
        show_default=True,
        help="Principal components, or the same space turned towards known motions (where the model has that).",
    )(function)


def result_model_option(function: Callable) -> Callable:
    """--model, of a verb that works on a finished result."""
    return click.option("--model", metavar="FILE", help="The model that made the result, where it is not installed.")(
        function
    )


def error_option(function: Callable) -> Callable:
    """--error, of a verb that makes a result."""
    words = "Add the expected error, as `regexplain error` does, where it was measured on such images: heads."
    return click.option("--error", is_flag=True, help=words)(function)


def offered_error_of(result: RegistrationResult, progress: Progress, **options: Any) -> list[ResultPart]:
    """What --error asks for: nothing for images that the estimator was not measured on."""
    from ..results.expected_error import is_like_measured_images

    measured = is_like_measured_images(result.fixed, result.record)
    return [expected_error_of(result, progress, **options)] if measured else []


def expected_error_of(result: RegistrationResult, progress: Progress, **options: Any) -> ResultPart:
    """The part; its warnings go to `progress`."""
    from ..explanation import expected_error

    error_map = expected_error(result, progress=progress, **options)
    for warning in error_map.warnings:
        progress.warn(warning)
    return error_map


def model_options(function: Callable) -> Callable:
    """--device and --threads."""
    function = click.option(
        "--threads", type=int, default=None, metavar="N", help="Processor threads (default: OMP_NUM_THREADS, or all)."
    )(function)
    return click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True
    )(function)
