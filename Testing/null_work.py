"""Pairs that cost nothing, for what schedules them: `Work` functions, and a study of such pairs as a program."""

import os
import signal
import sys
import time
from pathlib import Path

from regexplain.cohort.pairs import Pair, Pairs
from regexplain.cohort.run import Workers, cohort
from regexplain.cohort.settings import Settings
from regexplain.progress import JsonProgress

SETTINGS = Settings(model="none")


def null_pairs(folder: Path, count: int) -> Pairs:
    """All of the sample pair, which is never read."""
    import sample_pair

    files = {role: str(sample_pair.file(role)) for role in ("fixed", "moving")}
    return Pairs([Pair(f"p{k:04d}", files, {"group": "ab"[k % 2]}) for k in range(count)])


def null(job, folder):
    folder.mkdir()
    return {"figures": {"number": int(job.pair.id[1:])}}


def slow(job, folder):
    folder.mkdir()
    (folder / "half").write_text("")
    time.sleep(0.4)
    return {}


def killed_once(job, folder):
    """The worker of p0002 dies the first time, after it has written a part."""
    folder.mkdir()
    (folder / "half").write_text("")
    mark = job.folder.parent.parent / "killed"
    if job.pair.id == "p0002" and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def killing(job, folder):
    if job.pair.id == "p0002":
        os.kill(os.getpid(), signal.SIGKILL)
    return null(job, folder)


def failing(job, folder):
    if job.pair.id == "p0001":
        raise ValueError("of no kind that anyone expects")
    return null(job, folder)


if __name__ == "__main__":
    from regexplain.errors import RegExplainError

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with it ignored
    study, count, work, *scheduler = sys.argv[1:]
    try:
        cohort(
            null_pairs(Path(study), int(count)),
            Path(study),
            SETTINGS,
            Workers(scheduler[0] if scheduler else None, count=2),
            work=globals()[work],
            progress=JsonProgress(),
        )
    except RegExplainError as error:
        print(error, flush=True)
        sys.exit(error.exit_code)
