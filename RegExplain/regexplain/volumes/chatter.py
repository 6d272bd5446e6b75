"""What the libraries behind ITK say to the terminal, kept off it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unheard() -> Iterator[list[str]]:
    """Whatever C and C++ code writes to standard error meanwhile; the list holds it afterwards, as one text.

    HDF5 and GDCM write there by themselves, past Python. Where there is no such stream, as in Slicer's window on
    Windows, nothing is caught, and nobody hears it either.
    """
    heard: list[str] = []
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (AttributeError, OSError, ValueError):
        yield heard
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield heard
        finally:
            with suppress(OSError):
                os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            heard.append(aside.read().decode(errors="replace"))
