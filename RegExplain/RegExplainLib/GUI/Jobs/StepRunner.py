from contextlib import closing

import qt

from .BackgroundTask import BackgroundTask


class StepRunner:
    """Runs a generator, one step per turn of the event loop, so that Slicer stays responsive.

    A step that is a function runs in a thread (BackgroundTask); the generator receives what it returned.
    """

    def __init__(self):
        self._steps, self._background = None, BackgroundTask()
        self.value = None  # of the last step; None while nothing runs

    @property
    def running(self):
        return self._steps is not None

    def run(self, steps, whenDone, whenFailed):
        """`whenDone(value of the last step, or what was returned)` or `whenFailed(exception)` follows, unless
        `cancel()` comes first."""
        self._steps = steps
        self._next(steps, steps.send, None, whenDone, whenFailed)

    def cancel(self):
        """Stop and close the generator, which cleans up; on return no thread runs."""
        steps, self._steps, self.value = self._steps, None, None
        if steps is not None:
            self._background.forget()
            self._background.wait()
            steps.close()

    def _next(self, steps, resume, sent, whenDone, whenFailed):
        if steps is not self._steps:
            return
        try:
            step = resume(sent)
        except StopIteration as end:
            value, self._steps, self.value = self.value if end.value is None else end.value, None, None
            whenDone(value)
        except Exception as error:
            self._steps = self.value = None
            whenFailed(error)
        else:
            self._goOn(steps, step, whenDone, whenFailed)

    def _goOn(self, steps, step, *then):
        if callable(step):
            self._background.run(
                step,
                lambda value: self._next(steps, steps.send, value, *then),
                lambda error: self._next(steps, steps.throw, error, *then),
            )
        else:
            self.value = step
            qt.QTimer.singleShot(0, lambda: self._next(steps, steps.send, None, *then))


def stepsWhile(holds, steps):
    """The steps of a generator, each only where `holds()`."""
    with closing(steps):
        value = None
        while holds():
            try:
                step = steps.send(value)
            except StopIteration:
                return
            value = yield step
