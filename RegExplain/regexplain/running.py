"""What running a model takes: threads, and words for missing memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk

from .errors import BadInputError, RegExplainError


def use_threads(threads: int | None) -> int:
    """Set SimpleITK's threads; returns how many a network may use. All processors by default."""
    if threads is not None and threads < 1:
        raise BadInputError("--threads must be at least 1.")
    count = threads or os.cpu_count() or 1
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    return count


@contextmanager
def out_of_memory_said() -> Iterator[None]:
    """torch reports missing memory as a RuntimeError of many words; a user needs one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        raise RegExplainError(
            "There was not enough memory; close other programs, crop the images, or use --device cpu."
        ) from error
