import slicer

from ..MRML.ResultNodes import ResultNodes, readFiles
from .BackgroundReading import BackgroundReading
from .InSteps import InSteps


class ResultLoading:
    """Brings a result folder into the scene: reads it in the background, then adds a node at a turn of the event loop.

    Slicer stays responsive meanwhile. What is half there is not yet to be shown: `result` tells which that is.
    """

    def __init__(self):
        self._background, self._adding = BackgroundReading(), InSteps()

    @property
    def running(self):
        return self._background.running or self._adding.running

    @property
    def result(self):
        return self._adding.value

    def run(self, folder, whenLoaded, whenFailed):
        """`whenLoaded(result)` or `whenFailed(exception)` follows, unless `cancel()` comes first."""

        def add(files):
            self._adding.run(ResultNodes.loadInSteps(folder, files, slicer.mrmlScene), whenLoaded, whenFailed)

        self._background.run(lambda: readFiles(folder), add, whenFailed)

    def cancel(self):
        """Let it come to nothing; the scene is as it was."""
        self._background.forget()
        self._adding.cancel()
