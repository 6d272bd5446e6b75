"""Work in steps: a generator that Slicer may do other things between two steps of.

A step that is a function touches no scene, so it may be run in a thread; the generator goes on with what it returned.
"""


def taken(steps):
    """Take them all at once; returns what the generator did."""
    value = None
    while True:
        try:
            step = steps.send(value)
        except StopIteration as end:
            return end.value
        value = step() if callable(step) else None
