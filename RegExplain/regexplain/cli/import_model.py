from __future__ import annotations

from pathlib import Path

import click

from ..progress import Progress
from .verb import model_options, verb

FRAMEWORKS = ("voxelmorph", "monai", "unigradicon", "card")


@click.command("import-model")
@click.argument("framework", type=click.Choice(FRAMEWORKS))
@click.argument("source", type=click.Path(path_type=Path), required=False)
@click.option("--name", metavar="NAME", help="What to call it (default: after its file).")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the card says otherwise, such as order=fixed-moving, canvas.size=[96,96,96] (repeat for several).",
)
@click.option("--check", is_flag=True, help="Register an image to its own shifted copy, and import what fits alone.")
@click.option(
    "--image", type=click.Path(path_type=Path), metavar="FILE", help="The one to check with (default: made blobs)."
)
@click.option("--allow-package", metavar="PACKAGE", help="Let cards run the code of this Python package from now on.")
@click.option("--overwrite", is_flag=True, help="Replace a model of yours of that name.")
@model_options
@verb
def import_model(
    framework: str,
    source: Path | None,
    name: str | None,
    changes: tuple[str, ...],
    check: bool,
    image: Path | None,
    allow_package: str | None,
    overwrite: bool,
    device: str,
    threads: int | None,
    progress: Progress,
) -> str:
    """Bring your own network: its weights and a card that says how to ask it (docs/external-networks.md).

    SOURCE: voxelmorph takes a file of weights, monai a bundle, unigradicon its weights, card a card that you wrote.
    """
    from ..cards.settings import allow_package as allow
    from ..torch_backend.external.drafts import draft
    from ..torch_backend.external.importing import import_model as run
    from ..torch_backend.external.importing import with_changes
    from ..volumes.images import read_volume
    from ..volumes.threads import use_threads

    if allow_package:
        allow(allow_package)
    use_threads(threads)
    volume = read_volume(image, "image", None, progress.warn) if image else None
    card_draft = with_changes(draft(framework, source), changes, name)
    _ask_once(card_draft.values["network"], progress)
    card, check_result = run(card_draft, check, volume, device, overwrite, progress)
    progress.close()
    if check_result is not None:
        click.echo(check_result.message, err=True)
    return card.name


def _ask_once(network: dict, progress: Progress) -> None:
    """At a terminal: whether the code of a package that is not known may be run; the answer is kept."""
    import sys

    from ..cards.external import packages
    from ..cards.settings import allow_package, allowed_packages
    from ..progress import JsonProgress

    if isinstance(progress, JsonProgress) or not sys.stdin.isatty():
        return
    for package in packages(network):
        if package not in allowed_packages() and click.confirm(
            f"This network runs the code of the Python package {package}, which may do anything on this computer. "
            "Allow it, now and later?",
            err=True,
        ):
            allow_package(package)
