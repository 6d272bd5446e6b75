"""Whether this computer has the memory that a job takes, said before it begins."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .errors import BadInputError

READING = 24  # bytes a voxel while an image is read: the file's content, its array, ITK's copy


def check_memory(size: Sequence[int], role: str, bytes_per_voxel: float = READING) -> None:
    """Raises BadInputError where an image of that size takes more than this computer has."""
    needed = bytes_per_voxel
    for n in size:
        needed *= n
    if needed > physical_memory():
        raise BadInputError(
            f"The {role} would need {needed / 2**30:.0f} GB of memory, more than this computer has; "
            "crop or resample it."
        )


def physical_memory() -> float:
    """Bytes of memory in this computer; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return _memory_of_windows() if sys.platform == "win32" else float("inf")


def _memory_of_windows() -> float:
    import ctypes

    kilobytes = ctypes.c_ulonglong()
    told = ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))  # type: ignore[attr-defined, unused-ignore]
    return kilobytes.value * 1024.0 if told else float("inf")
