from functools import partial

import slicer

from ...MRML.ResultNodes import ResultNodes, readFiles
from .StepRunner import StepRunner


class ResultLoader:
    """Loads a result folder into the scene: reads it in the background, then adds one node per turn of the event loop.

    Slicer stays responsive. `result` is the one being loaded, which is not shown yet.
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
        """Stop loading; the scene is then as it was."""
        self._steps.cancel()


def _loaded(folder):
    files = yield partial(readFiles, folder)
    yield from ResultNodes.loadInSteps(folder, files, slicer.mrmlScene)
