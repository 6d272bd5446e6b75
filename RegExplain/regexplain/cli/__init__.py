"""The command line: one file a verb."""

from __future__ import annotations

import click

from .. import __version__
from .changes import changes
from .cohort import cohort
from .components import components
from .decompose import decompose
from .error import error
from .evaluate import evaluate
from .explain import explain
from .explain_transform import explain_transform
from .import_model import import_model
from .landmarks import landmarks
from .models import models
from .population import population
from .register import register
from .reproduce import reproduce
from .scene import scene
from .study import study
from .train import train
from .trust import trust


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="regexplain")
def main() -> None:
    """Register two volumes and see why the network moved what it moved."""


for verb in (register, explain, components, decompose, trust, error, landmarks, changes, explain_transform, scene):
    main.add_command(verb)
for verb in (models, import_model, cohort, population, train, evaluate, reproduce, study):
    main.add_command(verb)
