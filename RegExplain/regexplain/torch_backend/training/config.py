"""What every training run has: `regexplain train CONFIG` reads one JSON file, paths relative to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ...errors import BadInputError

Config = TypeVar("Config", bound="TrainingConfig")


@dataclass(kw_only=True)
class TrainingConfig:
    """The base of each kind of model's own configuration."""

    PARTS: ClassVar[Mapping[str, type]] = {}  # keys whose values are objects of their own

    name: str
    canvas_size: list[int]  # x, y, z
    canvas_spacing_mm: list[float]
    network: dict
    output: str
    card: dict  # what the files do not contain: title, intended use, limits, data, licence, modality
    kind: str = "latent"  # of network: what it is trained for, and how
    steps: int = 6000
    batch: int = 2
    learning_rate: float = 1e-3
    seed: int = 0
    precision: str = "float32"  # or "bfloat16": mixed, on processors and GPUs that have it
    start_from: str = ""  # weights of an earlier run of this network, or of one that has all its parts and more
    frozen: list[str] = field(default_factory=list)  # modules of the network that stay as they are
    folder: Path = Path()

    @classmethod
    def read(cls: type[Config], path: str | Path) -> Config:
        values, path = read_values(path), Path(path)
        try:
            values |= {key: part(**values[key]) for key, part in cls.PARTS.items() if key in values}
            return cls(**values, folder=path.parent)
        except TypeError as error:
            known = ", ".join(f.name for f in fields(cls) if f.name != "folder")
            raise BadInputError(f"{path} is not a training configuration ({error}); its keys are {known}.") from error

    def path(self, relative: str) -> Path:
        """A path of the file, relative to the folder that the file is in."""
        return (self.folder / relative).resolve()


def read_values(path: str | Path) -> dict[str, Any]:
    """The file's keys and values, over those of the file that it is `based_on`. Raises BadInputError."""
    path = Path(path)
    try:
        values = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadInputError(f"There is no configuration file {path}.") from None
    except (json.JSONDecodeError, TypeError, ValueError) as error:
        raise BadInputError(f"{path} is not a training configuration ({error}).") from error
    base = values.pop("based_on", None)
    return values if base is None else merge(read_values(path.parent / base), values)


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, objects key by key."""
    both = {key: (below[key], value) for key, value in above.items() if isinstance(value, dict) and key in below}
    return below | above | {key: merge(*pair) for key, pair in both.items()}
