"""From a trained network for T1 and FLAIR to a model folder: weights and card."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from ...registry import CARD, WEIGHTS, sha256
from .. import curves
from ..record import record
from ..trainer import Trainer
from .task import FireTask


def packaged(trainer: Trainer[FireTask]) -> Path:
    """Make the training folder a model: `--model FOLDER` takes it, a copy in `models/<name>/` installs it."""
    folder, config = trainer.folder, trainer.task.config
    data = config.data
    card = {
        "card_version": 1,
        "name": config.name,
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
        "figures": {
            name: round(value, 4) for name, value in trainer.task.look(trainer.average, torch.device("cpu")).items()
        },
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "files": {WEIGHTS: sha256(folder / WEIGHTS)},
    }
    curves.draw(folder)
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder
