"""What can go wrong, in one sentence a radiologist can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RegExplainError(Exception):
    """A failure that its message explains: one sentence saying what happened and what to do."""

    exit_code = 1


class BadInputError(RegExplainError):
    """The user's input cannot be used as it is."""

    exit_code = 2


class Cancelled(RegExplainError):
    """The user stopped the work."""

    exit_code = 130


GRAPHICS_CARD = ("cuda", "cudnn", "cublas", "hip error", "mps backend")  # in what torch says of it
USE_PROCESSOR = "let the processor compute instead (in the panel Processor only, on the command line --device cpu)"


UNEXPECTED = (
    "Something unexpected went wrong ({kind}: {error}); run again with --verbose and send the output to the authors."
)


def readable_error(error: BaseException) -> RegExplainError:
    """Any error as one that its message explains."""
    if isinstance(error, RegExplainError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Cancelled("Cancelled; nothing was written.")
    if isinstance(error, ModuleNotFoundError):
        return RegExplainError(f"This needs the package {error.name}, which is not installed; install it with pip.")
    readable = device_error(error)
    return readable or RegExplainError(UNEXPECTED.format(kind=type(error).__name__, error=error))


def device_error(error: BaseException) -> RegExplainError | None:
    """The error in one sentence where it is missing memory or a failed graphics card; None for any other."""
    if not isinstance(error, (MemoryError, RuntimeError)):
        return None
    message = str(error).lower()
    of_the_card = any(word in message for word in GRAPHICS_CARD)
    if of_the_card and ("out of memory" in message or "alloc_failed" in message):
        return RegExplainError(
            f"The graphics card has too little memory for this; {USE_PROCESSOR}, or crop the images."
        )
    if of_the_card:
        first = str(error).splitlines()[0].rstrip(".")
        return RegExplainError(f"The graphics card failed, or something else uses it ({first}); {USE_PROCESSOR}.")
    if isinstance(error, MemoryError) or "memory" in message:
        return RegExplainError("There was not enough memory; close other programs, or crop the images.")
    return None


def damaged_file(path: Path) -> BadInputError:
    return BadInputError(f"{path.name} is truncated or damaged; copy it again from its source.")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """An OSError of writing a result to `path`, in one sentence."""
    try:
        yield
    except OSError as error:
        raise RegExplainError(
            f"Writing the result to {path} failed ({error.strerror or error}); free space there or "
            "choose another --output."
        ) from error
