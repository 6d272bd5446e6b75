"""The attribution methods, a file each, found by the names in `cards/heatmap_names.py`."""

from __future__ import annotations

from importlib import import_module

from ....cards.heatmap_names import METHODS
from ....errors import BadInputError
from ..attribution import Attribution


def attribution_method(name: str) -> Attribution:
    """`METHOD` of the file of that name. Raises BadInputError for a name that is not in `METHODS`."""
    if name not in METHODS:
        raise BadInputError(f"There is no method {name!r}; there are {', '.join(METHODS)}.")
    return import_module(f".{name.replace('-', '_')}", __package__).METHOD
