from __future__ import annotations

import click

from ..progress import Progress
from .verb import verb


@click.command()
@click.argument("name", required=False)
@verb
def models(name: str | None, progress: Progress) -> None:
    """What is installed; with NAME, the model's whole card: training data, licence, intended use, checksum."""
    import json

    from ..cards import registry

    if name is None:
        for card in [*registry.installed_cards(), *registry.user_cards()]:
            print(f"{card.name:16} {card.values.get('title', '')} ({card.values.get('licence', 'licence unknown')})")
        return
    card = registry.find_card(name)
    print(json.dumps(card.values, indent=2, ensure_ascii=False))
