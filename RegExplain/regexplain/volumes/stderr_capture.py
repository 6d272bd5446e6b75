"""What the libraries behind ITK say to the terminal, kept off it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def capture_stderr() -> Iterator[list[str]]:
    """Whatever C and C++ code writes to standard error meanwhile; the list holds it afterwards, as one text.

    HDF5 and GDCM write there by themselves, past Python. Where there is no such stream, as in Slicer's window on
    Windows, nothing is caught, and nobody hears it either.
    """
    captured: list[str] = []
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError, ValueError):
        yield captured
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield captured
        finally:
            with suppress(OSError):
                os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            captured.append(file.read().decode(errors="replace"))
