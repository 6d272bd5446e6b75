from functools import partial

import slicer

from ...MRML.ResultNodes import ResultNodes, readFiles
from .StepRunner import StepRunner


class ResultLoader:
    """Brings a result folder into the scene: reads it in the background, then adds a node at a turn of the event loop.

    Slicer stays responsive meanwhile. What is half there is not yet to be shown: `result` tells which that is.
    """

    def __init__(self):
        self._steps = StepRunner()

    @property
    def running(self):
        return self._steps.running

    @property
    def result(self):
        return self._steps.value

    def run(self, folder, whenLoaded, whenFailed):
        """`whenLoaded(result)` or `whenFailed(exception)` follows, unless `cancel()` comes first."""

        self._steps.run(_loaded(folder), whenLoaded, whenFailed)

    def cancel(self):
        """Let it come to nothing; the scene is as it was."""
        self._steps.cancel()


def _loaded(folder):
    files = yield partial(readFiles, folder)
    yield from ResultNodes.loadInSteps(folder, files, slicer.mrmlScene)
