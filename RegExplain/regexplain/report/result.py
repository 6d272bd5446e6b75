"""What a report needs of a result, so that results may render reports and no import runs in a circle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Result(Protocol):
    """What a report is about: a folder of files and its record."""

    @property
    def path(self) -> Path: ...

    @property
    def record(self) -> dict[str, Any]: ...

    def file(self, name: str) -> Path | None: ...

    def require(self, name: str) -> Path: ...
