"""Check before a job whether this computer has enough memory for it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import BadInputError

READING = 24  # bytes a voxel while an image is read: its file's content, its array and ITK's copy, of float64


class Cost(NamedTuple):
    """The peak of a process: bytes a voxel of the fixed and of the moving image, and what it takes at any size."""

    fixed: float
    moving: float
    bytes: float


# By the kind of work, measured by benchmarks/large_scans.py and rounded up; the table stands in its README.
MEMORY_COSTS = {
    "affine": Cost(40, 20, 0.4e9),
    "latent": Cost(104, 62, 0.6e9),
    "fire": Cost(60, 56, 2.2e9),  # at any size: what refining on its finest canvas takes
    "external": Cost(150, 85, 0.9e9),  # without the network, whose memory its card says
    "explain-transform": Cost(50, 30, 0.5e9),
}


def check_memory_for(work: str, fixed: Sequence[int], moving: Sequence[int]) -> None:
    """Raises BadInputError where the work takes more than this computer has.

    work: "affine", "explain-transform", or a model's type; fixed, moving: the sizes of the images, x, y, z.
    """
    if reason := memory_lacking_for(work, fixed, moving):
        raise BadInputError(f"These images {reason}; crop or resample them.")


def memory_lacking_for(work: str, fixed: Sequence[int], moving: Sequence[int]) -> str | None:
    """As `check_memory_for`: a phrase in place of the error."""
    needed = memory_for(work, fixed, moving)
    if needed <= physical_memory():
        return None
    return f"would need {needed / 2**30:.0f} GB of memory, more than this computer has"


def memory_for(work: str, fixed: Sequence[int], moving: Sequence[int]) -> float:
    """Bytes that the work takes at its peak; arguments as of `check_memory_for`."""
    cost = MEMORY_COSTS.get(work, MEMORY_COSTS["fire"])  # a model of no known type is refused when it is loaded
    return cost.fixed * math.prod(fixed) + cost.moving * math.prod(moving) + cost.bytes


def check_memory(size: Sequence[int], role: str) -> None:
    """Raises BadInputError where an image of that size cannot be read into what memory this computer has."""
    needed = float(READING * math.prod(map(int, size)))
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
    succeeded = ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))  # type: ignore[attr-defined, unused-ignore]
    return kilobytes.value * 1024.0 if succeeded else float("inf")
