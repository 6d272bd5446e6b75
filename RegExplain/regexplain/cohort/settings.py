"""How the pairs of a study are registered, and what tells a result apart that was made in another way."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass

from .. import __version__
from ..cards import registry
from ..errors import BadInputError, RegExplainError
from .pairs import Pair


@dataclass(frozen=True)
class Settings:
    """As the options of the verbs of one pair. threads: of the processor, for each pair."""

    model: str = "auto"
    refine: int = 0
    explain: bool = False
    decompose: bool = False
    trust: bool = False
    device: str = "auto"
    threads: int = 1

    @property
    def record(self) -> dict[str, object]:
        """What a result depends on."""
        return {name: getattr(self, name) for name in ("model", "refine", "explain", "decompose", "trust")}


def weights_of(model: str) -> str:
    """Checksums of the weights that may be used, "auto" meaning all installed. Raises BadInputError."""
    if model == "none":
        return ""
    cards = registry.installed_cards() if model == "auto" else [registry.find_card(model)]
    return " ".join(card.weights_sha256 for card in cards)


def made_with(pair: Pair, settings: Settings, weights: str) -> str:
    """A checksum of what the result of a pair depends on: its files, as their paths, sizes and dates say, the settings
    and the weights."""
    files = {}
    for role, path in pair.files.items():
        status = os.stat(path)
        files[role] = (path, status.st_size, status.st_mtime_ns)
    inputs = json.dumps([files, settings.record, weights], sort_keys=True)
    return hashlib.sha256(inputs.encode()).hexdigest()


@dataclass(frozen=True)
class Installation:
    """What a worker must have in common with the program that sends it pairs."""

    version: str
    weights: str

    @classmethod
    def here(cls, model: str) -> Installation:
        return cls(__version__, weights_of(model))

    def check(self, model: str) -> None:
        """Raises RegExplainError where the computer that asks has another RegExplain, or not that model."""
        if self.version != __version__:
            raise RegExplainError(
                f"A worker has RegExplain {__version__}, and the study is run by {self.version}; install the same "
                "version on all."
            )
        try:
            installed = weights_of(model)
        except BadInputError as error:
            raise RegExplainError(f"A worker has not the model {model} of this study; install it there too.") from error
        if installed != self.weights:
            raise RegExplainError(
                f"A worker has other weights of the model {model} than the study is run with; install the same on all."
            )
