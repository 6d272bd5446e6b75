"""Standard error of C and C++ libraries, captured."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def capture_stderr() -> Iterator[list[str]]:
    """Capture what C and C++ code writes to standard error; the list holds it afterwards, as one text.

    HDF5 and GDCM write there directly, not through Python. Where the process has no such stream, as Slicer on Windows,
    nothing is captured.
    """
    captured: list[str] = []
    try:
        sys.stderr.flush()
        duplicate = os.dup(2)
    except (AttributeError, OSError, ValueError):
        yield captured
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield captured
        finally:
            with suppress(OSError):
                os.dup2(duplicate, 2)
            os.close(duplicate)
            file.seek(0)
            captured.append(file.read().decode(errors="replace"))
