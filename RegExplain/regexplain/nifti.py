"""What ITK's NIfTI reader keeps quiet about: it reads NaN as 0, and the missing end of a truncated file as 0."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

FLOATS = {16: "f4", 64: "f8"}


def complaint(path: Path) -> str | None:
    """Why the voxels of a NIfTI file cannot be trusted, as the rest of a sentence; None where they can."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return "is truncated or damaged; copy it again from its source"
    layout = _layout(content)
    if layout is None:
        return None  # not NIfTI: the reader says what it is
    order, kind, offset, size = layout
    voxels = content[offset : offset + size]
    if len(voxels) < size:
        return "is truncated or damaged; copy it again from its source"
    if kind in FLOATS:
        bad = int((~np.isfinite(np.frombuffer(voxels, order + FLOATS[kind]))).sum())
        if bad:
            return f"has {bad} voxels that are NaN or infinite; replace them by a number and try again"
    return None


def _layout(content: bytes) -> tuple[str, int, int, int] | None:
    """(byte order, data type, first byte, number of bytes) of the voxels, from a NIfTI-1 or NIfTI-2 header."""
    for order in "<>":
        if content[:4] == struct.pack(order + "i", 348):
            shape = struct.unpack_from(order + "8h", content, 40)
            kind, bits = struct.unpack_from(order + "hh", content, 70)
            offset = int(struct.unpack_from(order + "f", content, 108)[0])
        elif content[:4] == struct.pack(order + "i", 540):
            kind, bits = struct.unpack_from(order + "hh", content, 12)
            shape = struct.unpack_from(order + "8q", content, 16)
            offset = struct.unpack_from(order + "q", content, 168)[0]
        else:
            continue
        return order, kind, offset, int(np.prod(shape[1 : shape[0] + 1])) * bits // 8
    return None
