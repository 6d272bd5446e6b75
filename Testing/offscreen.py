"""Views for tests that draw."""

from functools import cache


@cache
def pictures(headless):
    """The views of this process: there is one set, as in Slicer. Two would fight over the nodes of the same names."""
    from RegExplainLib.MRML.Pictures import Pictures

    return Pictures(headless)
