"""Views of Slicer as they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ViewCapture:
    """name: of the view, for people. image, layers: what it shows, in words without names of the user's nodes."""

    name: str
    image: str | None
    layers: tuple[str, ...]
    png: bytes

    def record(self, file: str) -> dict[str, Any]:
        return {"name": self.name, "image": self.image, "layers": list(self.layers), "file": file}


@dataclass(frozen=True)
class ViewCaptures:
    """Views as a part of a result, in place of any earlier ones."""

    views: Sequence[ViewCapture]

    def add_to(self, record: dict[str, Any], folder: Path, staging: Path) -> None:
        files = {f"views/{number}.png": view for number, view in enumerate(self.views, start=1)}
        record["views"] = [view.record(file) for file, view in files.items()]
        (staging / "views").mkdir()
        for file, view in files.items():
            (staging / file).write_bytes(view.png)
