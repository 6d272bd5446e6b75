import os
import tempfile
import threading


class Stopped(Exception):
    """The frames are no longer needed."""


class FrameStore:
    """Frames of one size in an unnamed temporary file, so that none is left behind.

    No Qt and no MRML: a thread may read them, which `stop()` ends.
    """

    def __init__(self, folder, framesPerSecond):
        self.framesPerSecond, self.count, self.size = framesPerSecond, 0, None  # size: (columns, rows)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - who reads it closes it
        self._stopped = threading.Event()

    def add(self, picture):
        """picture: (rows, columns, 3) uint8, the upper row first; all of one size."""
        rows, columns, _channels = picture.shape
        self._file.write(picture.tobytes())
        self.size, self.count = (columns, rows), self.count + 1

    def frames(self):
        """The RGB bytes of each, from the first on; raises Stopped once they are wanted no more."""
        self._file.seek(0)
        columns, rows = self.size
        for _number in range(self.count):
            self.check()
            yield self._file.read(3 * columns * rows)
        self.check()

    def rewoundFile(self):
        """The file of them all, one after the other, for a program that reads it to its end."""
        self._file.flush()
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        return self._file

    @property
    def stopped(self):
        return self._stopped.is_set()

    def stop(self):
        self._stopped.set()

    def check(self):
        """Raises Stopped once they are wanted no more."""
        if self.stopped:
            raise Stopped

    def close(self):
        self._file.close()
