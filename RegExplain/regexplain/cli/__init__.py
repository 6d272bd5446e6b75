"""The command line: one file a verb."""

from __future__ import annotations

import click

from .. import __version__
from .components import components
from .evaluate import evaluate
from .explain import explain
from .models import models
from .register import register
from .scene import scene
from .train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="regexplain")
def main() -> None:
    """Register two volumes and see why the network moved what it moved."""


for verb in (register, explain, components, scene, models, train, evaluate):
    main.add_command(verb)
