"""From a trained network for T1 and FLAIR to a model folder: weights and card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch

from ....cards.registry import CARD, WEIGHTS, sha256
from ...networks.fire import FireNetwork
from .. import curves
from ..record import record
from ..trainer import Trainer
from .anatomies import CELL_MM, STRUCTURES
from .task import FireTask


def package(trainer: Trainer[FireTask]) -> Path:
    """Make the training folder a model: `--model FOLDER` takes it, a copy in `models/<name>/` installs it."""
    config, network = trainer.task.config, cast(FireNetwork, trainer.average)
    cpu = torch.device("cpu")
    moved, aligned = (
        figures(network, cpu) for figures in (trainer.task.registration_figures, trainer.task.affine_figures)
    )
    return _write_card(
        trainer,
        {
            "segments": {
                str(number): name for number, name in enumerate(STRUCTURES, start=1)
            },  # as G's read-out counts
            "canvas": {"size": config.canvas_size, "spacing_mm": config.canvas_spacing_mm, "about": "tissue"},
            "alignment": "network",
            "figures": moved | aligned,
        },
    )


def package_any_contrast(trainer: Trainer[Any]) -> Path:
    """The same of a network for any pair, whose canvas fits the pair."""
    figures = trainer.task.registration_figures(cast(FireNetwork, trainer.average), torch.device("cpu"))
    figures["held_out_error_voxels"] = figures.pop("held_out_error_mm") / CELL_MM  # its cells have no size in mm
    canvas = {"fits": "pair", "size": trainer.task.config.canvas_size}
    return _write_card(trainer, {"canvas": canvas, "alignment": "affine", "figures": figures})


def _write_card(trainer: Trainer[Any], own: dict[str, Any]) -> Path:
    folder, config = trainer.folder, trainer.task.config
    data = config.data
    figures = {name: round(value, 4) for name, value in own.pop("figures").items()}
    card = {
        "card_version": 1,
        "name": config.name,
        **config.card,
        "network": {"type": "fire", **config.network},
        "intensities": "robust",
        **own,
        "training": {
            "heads": data.trained_heads,
            "held_out_heads": data.held_out_heads,
            "visits": data.trained_visits,
            "held_out_visits": data.held_out_visits,
        }
        | record(trainer),
        "figures": figures,
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "files": {WEIGHTS: sha256(folder / WEIGHTS)},
    }
    curves.draw(folder)
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder
