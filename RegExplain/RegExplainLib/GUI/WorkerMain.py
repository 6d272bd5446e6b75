"""What the worker process runs: the `regexplain` command beside this module.

Its first line tells its process id, because Slicer starts Python through a launcher and so knows only the launcher's.
It is the head of its own process group, so that ending the group ends its children too.
"""

import contextlib
import json
import os
import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):  # head of a group already
            os.setsid()
    print(json.dumps({"event": "started", "pid": os.getpid()}), flush=True)
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    runpy.run_module("regexplain", run_name="__main__", alter_sys=True)
