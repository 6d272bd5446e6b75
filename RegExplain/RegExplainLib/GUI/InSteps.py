import qt


class InSteps:
    """Goes through a generator, one step a turn of the event loop, so that Slicer stays responsive."""

    def __init__(self):
        self._steps = None
        self.value = None  # of the last step; None while nothing runs

    @property
    def running(self):
        return self._steps is not None

    def run(self, steps, whenDone, whenFailed):
        """`whenDone(value of the last step)` or `whenFailed(exception)` follows, unless `cancel()` comes first."""
        self._steps = steps
        self._next(steps, whenDone, whenFailed)

    def cancel(self):
        """Go no further. What the generator undoes when it is closed is undone on return."""
        steps, self._steps, self.value = self._steps, None, None
        if steps is not None:
            steps.close()

    def _next(self, steps, whenDone, whenFailed):
        if steps is not self._steps:
            return
        try:
            self.value = next(steps)
        except StopIteration:
            value, self._steps, self.value = self.value, None, None
            whenDone(value)
        except Exception as error:
            self._steps = self.value = None
            whenFailed(error)
        else:
            qt.QTimer.singleShot(0, lambda: self._next(steps, whenDone, whenFailed))
