import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path

import qt

from ...Signal import Signal

GRACE_MS = 1000  # between asking the worker to end and ending it
KILLED, NOT_STARTED = "killed", "not started"
LINE_LIMIT_BYTES = 1 << 20  # garbage without a line end must not fill the memory
LINES_PER_TURN = 100  # of the event loop: a worker that says very much must not block Slicer


class WorkerProcess:
    """`regexplain` in a process of its own, which waits for commands (WorkerMain.py): its lines of output as they come,
    its end, and its end by force.

    `ended` carries the exit code, or KILLED or NOT_STARTED.
    """

    def __init__(self):
        self.outputLine, self.errorLine, self.ended = Signal(), Signal(), Signal()
        self._command = workerCommand()
        self._pending = {self.outputLine: b"", self.errorLine: b""}
        self._lines = deque()  # (signal, text) still to be emitted
        self._exitCode = None
        self._groupId = None
        self._stopping = False
        self.running = False
        self._process = qt.QProcess()
        self._process.connect("readyReadStandardOutput()", self._readOutput)
        self._process.connect("readyReadStandardError()", self._readErrors)
        self._process.connect("finished(int,QProcess::ExitStatus)", self._onFinished)
        self._process.connect("errorOccurred(QProcess::ProcessError)", self._onError)

    def start(self, folder):
        """Start it in a working folder, which must last as long as it does."""
        self.running = True
        self._process.setWorkingDirectory(str(folder))
        self._process.start(self._command[0], self._command[1:])

    def send(self, arguments):
        """Let it run `regexplain` with these arguments, once it has done what it was told before."""
        self._process.write(json.dumps(arguments).encode() + b"\n")

    def setGroupId(self, processId):
        """The worker told its process id, which is its group's too; later claims are not the worker's own."""
        if self._groupId is None and processId > 1:
            self._groupId = processId
        if self._stopping:
            self._signalGroup(gently=False)

    def stop(self):
        """Ask the worker to end, and after a moment make it and its children end; `ended` follows."""
        self._stopping = True
        self._signalGroup(gently=True)
        qt.QTimer.singleShot(GRACE_MS, self._killIfRunning)

    def kill(self):
        """End the worker and its children now, and wait for it (at most 2 s)."""
        self._stopping = True
        self._killIfRunning()
        self._process.waitForFinished(2000)

    def _killIfRunning(self):
        if self.running:
            self._signalGroup(gently=False)
            self._process.kill()

    def _signalGroup(self, gently):
        if os.name == "nt":  # no gentle way there: a console signal would reach Slicer itself
            processId = self._groupId or self._process.processId()
            hidden = {"creationflags": subprocess.CREATE_NO_WINDOW}
            subprocess.Popen(["taskkill", "/F", "/T", "/PID", str(processId)], **hidden)
        elif self._groupId:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # all ended; macOS says the second
                os.killpg(self._groupId, signal.SIGTERM if gently else signal.SIGKILL)

    def _readOutput(self):
        self._splitLines(self._process.readAllStandardOutput(), self.outputLine)

    def _readErrors(self):
        self._splitLines(self._process.readAllStandardError(), self.errorLine)

    def _splitLines(self, received, line):
        *lines, remainder = (self._pending[line] + bytes(received.data())).split(b"\n")
        if len(remainder) > LINE_LIMIT_BYTES:
            lines, remainder = [*lines, remainder], b""
        self._pending[line] = remainder
        wasIdle = not self._lines
        self._lines.extend((line, text.decode("utf-8", "replace").rstrip("\r")) for text in lines)
        if wasIdle:
            self._emitLines()

    def _emitLines(self):
        """A turn's worth now, the rest in the turns to come; the end of the process is told after its last line."""
        for _ in range(len(self._lines) if self._stopping else min(len(self._lines), LINES_PER_TURN)):
            line, text = self._lines.popleft()
            line.emit(text)
        if self._lines:
            qt.QTimer.singleShot(0, self._emitLines)
        elif self._exitCode is not None:
            self._end(self._exitCode)

    def _onFinished(self, exitCode, exitStatus):
        self._readOutput()
        self._readErrors()
        self._lines.extend(
            (line, remainder.decode("utf-8", "replace")) for line, remainder in self._pending.items() if remainder
        )
        if os.name != "nt":
            self._signalGroup(gently=False)  # children that outlived the worker
        self._exitCode = exitCode if exitStatus == qt.QProcess.NormalExit else KILLED
        self._emitLines()

    def _onError(self, error):
        if error == qt.QProcess.FailedToStart:  # the only error that `finished` does not follow
            self.errorLine.emit(f"{self._command[0]}: {self._process.errorString()}")
            self._end(NOT_STARTED)

    def _end(self, exitCode):
        if self.running:
            self.running = False
            qt.QTimer.singleShot(0, self._keepAlive)
            self.ended.emit(exitCode)

    def _keepAlive(self):
        """Called once Qt has left the process's own signal: freeing the process within it would crash."""


def workerCommand():
    """Slicer's own Python, or outside Slicer the one that runs; unbuffered and in UTF-8 on every system."""
    return [
        shutil.which("PythonSlicer") or sys.executable,
        "-u",
        "-X",
        "utf8",
        str(Path(__file__).with_name("WorkerMain.py")),
    ]
