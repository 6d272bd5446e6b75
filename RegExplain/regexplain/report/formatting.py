"""Figures and names as people read them."""

from __future__ import annotations

from collections.abc import Iterable


def millimetres(value: float) -> str:
    if 0 < value < 0.01:
        return "< 0.01 mm"
    return f"{value:.2f} mm" if value < 10 else f"{value:.1f} mm"


def percent(share: float) -> str:
    """A share in per cent; as with millimetres, what is small but not zero never reads as zero."""
    if 0 < share < 1e-4:
        return "< 0.01 %"
    return f"{100 * share:.2f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def join_sizes(numbers: Iterable[object]) -> str:
    """ "35 × 51 × 35"."""
    return " × ".join(map(str, numbers))


def heading(name: str) -> str:
    """`intended_use` as a heading: "Intended use"."""
    return name.replace("_", " ").replace("-", " ").capitalize()
