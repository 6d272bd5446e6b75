"""What the worker process runs: commands of `regexplain`, one after another, so that what one loads serves the next.

Each line of standard input is a command's arguments, a JSON list; what the command prints is followed by a line
{"event": "ended", "code": its exit code}. The first line of all tells the process id, because Slicer starts Python
through a launcher and so knows only the launcher's. It is the head of its own process group, so that ending the group
ends its children too. Where standard input ends, Slicer is gone, killed or not: then this process ends as well.
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

GRACE_S = 1.0  # for a running command to clean up, once Slicer is gone
CANCELLED = 130


def main():
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):  # head of a group already
            os.setsid()
    emit("started", pid=os.getpid())
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    commands = queue.SimpleQueue()
    threading.Thread(target=listen, args=[commands], daemon=True).start()
    code = 0
    while code != CANCELLED:
        code = exitCode(commands.get())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a command's own way to end is not for the time between commands
        emit("ended", code=code)
    os._exit(code)  # waits for no thread


def exitCode(arguments):
    """Run one command."""
    from regexplain.cli import main as command

    try:
        command(arguments, prog_name="regexplain")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except KeyboardInterrupt:  # outside the command's own care
        return CANCELLED
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def listen(commands):
    # Unbuffered: Python cannot end while a thread waits within a buffer of standard input.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            commands.put(json.loads(line))
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def emit(event, **values):
    """On a line of its own, even where something else was printed without a line end."""
    print("\n" + json.dumps({"event": event} | values), flush=True)


if __name__ == "__main__":
    main()
