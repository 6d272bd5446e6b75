"""A view of Slicer as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ShownView:
    """name: of the view, for people. image, layers: what it shows, in words without names of the user's nodes."""

    name: str
    image: str | None
    layers: tuple[str, ...]
    png: bytes

    def record(self, file: str) -> dict[str, Any]:
        return {"name": self.name, "image": self.image, "layers": list(self.layers), "file": file}
