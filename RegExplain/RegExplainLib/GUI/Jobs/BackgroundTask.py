import threading

import qt

POLL_MS = 20


class BackgroundTask:
    """Runs one function in a thread, so that the panel stays responsive; its result comes back on the main thread.

    Only for file work: MRML and Qt are not thread safe. SimpleITK and shutil release the interpreter lock.
    """

    def __init__(self):
        self._current = self._thread = None

    @property
    def running(self):
        return self._current is not None

    def run(self, function, whenDone, whenFailed):
        """`whenDone(result)` or `whenFailed(exception)` follows at a later turn of the event loop, unless `forget()`
        comes first."""
        self._current = self._thread = work = _Work(function)
        work.start()
        self._pollIn(0, work, whenDone, whenFailed)

    def forget(self):
        """Ignore the result of what is running; its thread ends by itself."""
        self._current = None

    def wait(self):
        """Until the thread has ended, forgotten or not."""
        if self._thread is not None:
            self._thread.join()

    def _pollIn(self, milliseconds, *work):
        qt.QTimer.singleShot(milliseconds, lambda: self._poll(*work))

    def _poll(self, work, whenDone, whenFailed):
        if work is not self._current:
            return
        if work.is_alive():
            self._pollIn(POLL_MS, work, whenDone, whenFailed)
            return
        self._current = None
        if work.error is not None:
            whenFailed(work.error)
        else:
            whenDone(work.result)


class _Work(threading.Thread):
    def __init__(self, function):
        super().__init__(daemon=True)  # Slicer must not wait for it on quitting
        self._function, self.result, self.error = function, None, None

    def run(self):
        try:
            self.result = self._function()
        except Exception as error:
            self.error = error
