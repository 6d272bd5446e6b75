"""Progress of a long job: a bar for people, JSON lines for programs, nothing for tests and notebooks."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO


class Progress:
    """Silent. `report(stage, done, total)` whenever a piece is done, with numbers worth watching by name if there are;
    `warn(message)` for what the user should know."""

    def report(self, stage: str, done: int, total: int, numbers: Mapping[str, float] | None = None) -> None:
        pass

    def warn(self, message: str) -> None:
        pass

    def note(self, message: str) -> None:
        """What is good to know, and nothing to worry about."""

    def close(self) -> None:
        pass


class JsonProgress(Progress):
    """One JSON object a line, flushed, for the panel's worker and other programs."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout

    def emit(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event} | values), file=self.stream, flush=True)

    def report(self, stage: str, done: int, total: int, numbers: Mapping[str, float] | None = None) -> None:
        self.emit("progress", stage=stage, done=done, total=total, **({"numbers": dict(numbers)} if numbers else {}))

    def warn(self, message: str) -> None:
        self.emit("warning", message=message)

    def note(self, message: str) -> None:
        self.emit("note", message=message)


class TerminalProgress(Progress):
    """A bar on standard error where that is a terminal; warnings always."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.stage = ""

    def report(self, stage: str, done: int, total: int, numbers: Mapping[str, float] | None = None) -> None:
        from tqdm import tqdm

        if self.bar is None or stage != self.stage:
            self.close()
            self.stage = stage
            self.bar = tqdm(total=total, desc=stage, disable=None, leave=False)
        self.bar.total = total
        if numbers:
            self.bar.set_postfix({name: f"{value:.4g}" for name, value in numbers.items()}, refresh=False)
        self.bar.update(done - self.bar.n)

    def warn(self, message: str) -> None:
        self.close()
        print(f"Warning: {message}", file=sys.stderr)

    def note(self, message: str) -> None:
        self.close()
        print(message, file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
