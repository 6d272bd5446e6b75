"""Warnings of a registration and the times of its steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..progress import Progress


class Log:
    """`warnings`, `fallbacks` and `seconds` become those of the record."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self.warnings: list[str] = []
        self.fallbacks: list[str] = []
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        self.progress.warn(message)

    def fall_back(self, message: str) -> None:
        """A warning that something was tried and rejected."""
        self.warn(message)
        self.fallbacks.append(message)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._note(step, began)

    def finish(self) -> None:
        self._note("total", self._started)

    def _note(self, step: str, began: float) -> None:
        self.seconds[step] = round(time.perf_counter() - began, 3)
