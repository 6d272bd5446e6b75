import qt

import slicer

from ..MRML.ResultNodes import ResultNodes, readFiles
from .BackgroundReading import BackgroundReading


class ResultLoading:
    """Brings a result folder into the scene: reads it in the background, then adds a node at a turn of the event loop.

    Slicer stays responsive meanwhile. What is half there is not yet to be shown: `result` tells which that is.
    """

    def __init__(self):
        self._background = BackgroundReading()
        self._steps = None
        self.result = None

    @property
    def running(self):
        return self._background.running or self._steps is not None

    def run(self, folder, whenLoaded, whenFailed):
        """`whenLoaded(result)` or `whenFailed(exception)` follows, unless `cancel()` comes first."""

        def add(files):
            self._steps = steps = ResultNodes.loadInSteps(folder, files, slicer.mrmlScene)
            self._next(steps, whenLoaded, whenFailed)

        self._background.run(lambda: readFiles(folder), add, whenFailed)

    def cancel(self):
        """Let it come to nothing; the scene is as it was."""
        self._background.forget()
        steps, self._steps, self.result = self._steps, None, None
        if steps is not None:
            steps.close()

    def _next(self, steps, whenLoaded, whenFailed):
        if steps is not self._steps:
            return
        try:
            self.result = next(steps)
        except StopIteration:
            result, self._steps, self.result = self.result, None, None
            whenLoaded(result)
        except Exception as error:
            self._steps = self.result = None
            whenFailed(error)
        else:
            qt.QTimer.singleShot(0, lambda: self._next(steps, whenLoaded, whenFailed))
