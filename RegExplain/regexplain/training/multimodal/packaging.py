"""From a trained network for T1 and FLAIR to a model folder: weights and card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import torch

from ...networks.fire import FireNetwork
from ...registry import CARD, WEIGHTS, sha256
from .. import curves
from ..record import record
from ..trainer import Trainer
from .anatomies import STRUCTURES
from .task import FireTask


def packaged(trainer: Trainer[FireTask]) -> Path:
    """Make the training folder a model: `--model FOLDER` takes it, a copy in `models/<name>/` installs it."""
    folder, task = trainer.folder, trainer.task
    config = task.config
    data = config.data
    network, cpu = cast(FireNetwork, trainer.average), torch.device("cpu")
    moved, aligned = (figures(network, cpu) for figures in (task.registration_figures, task.affine_figures))
    card = {
        "card_version": 1,
        "name": config.name,
        "segments": {str(number): name for number, name in enumerate(STRUCTURES, start=1)},  # as G's read-out counts
        **config.card,
        "network": {"type": "fire", **config.network},
        "canvas": {"size": config.canvas_size, "spacing_mm": config.canvas_spacing_mm, "about": "tissue"},
        "intensities": "robust",
        "alignment": "network",
        "training": {
            "heads": data.trained_heads,
            "held_out_heads": data.held_out_heads,
            "visits": data.trained_visits,
            "held_out_visits": data.held_out_visits,
        }
        | record(trainer),
        "figures": {name: round(value, 4) for name, value in (moved | aligned).items()},
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "files": {WEIGHTS: sha256(folder / WEIGHTS)},
    }
    curves.draw(folder)
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder
