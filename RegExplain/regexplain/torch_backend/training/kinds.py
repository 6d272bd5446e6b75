"""The kinds of training that a configuration can name, and what makes a model folder of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import BadInputError
from .config import TrainingConfig, read_values
from .latent.config import LatentConfig
from .latent.packaging import package as latent_packaged
from .latent.task import LatentTask
from .multimodal.any_contrast_task import AnyContrastTask
from .multimodal.config import AnyContrastConfig, FireConfig
from .multimodal.packaging import package as fire_packaged
from .multimodal.packaging import package_any_contrast
from .multimodal.task import FireTask
from .trainer import Task, Trainer


class Kind(NamedTuple):
    config: type[TrainingConfig]
    task: Callable[[Any], Task]
    package: Callable[[Trainer[Any]], Path]


KINDS = {
    "latent": Kind(LatentConfig, LatentTask, latent_packaged),
    "fire": Kind(FireConfig, FireTask, fire_packaged),
    "any-contrast": Kind(AnyContrastConfig, AnyContrastTask, package_any_contrast),
}


def read_task(path: str | Path) -> tuple[Task, Callable[[Trainer[Any]], Path]]:
    """The task that a configuration file describes, and its packaging. Raises BadInputError."""
    name = read_values(path).get("kind", "latent")
    if name not in KINDS:
        raise BadInputError(f"{path} names the kind {name!r}; there are {', '.join(KINDS)}.")
    kind = KINDS[name]
    return kind.task(kind.config.read(path)), kind.package
