"""Threads, and errors of the computer that runs a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk

from ..errors import BadInputError, device_error


def use_threads(threads: int | None) -> int:
    """Set SimpleITK's threads; returns how many a network may use. By default what OMP_NUM_THREADS says, or all."""
    if threads is not None and threads < 1:
        raise BadInputError("--threads must be at least 1.")
    variable = os.environ.get("OMP_NUM_THREADS", "")
    count = threads or (int(variable) if variable.isdecimal() else 0) or os.cpu_count() or 1
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
    return count


@contextmanager
def device_errors() -> Iterator[None]:
    """Raises missing memory or a failed graphics card, which torch reports as a long RuntimeError, in one sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        readable = device_error(error)
        if readable is None:
            raise
        raise readable from error
