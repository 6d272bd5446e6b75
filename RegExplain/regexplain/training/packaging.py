"""From a trained network to a model folder: weights, components, card."""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..decomposition import LatentComponents
from ..geometry import Grid, anatomical
from ..images import read_volume
from ..networks.latent import RegistrationOutput
from ..registry import CARD, COMPONENTS, WEIGHTS, sha256
from .cases import case_files
from .evaluation import mean_dice
from .trainer import Trainer

EXTENT_MARGIN_MM = 3.0
SPACING_FACTOR = 1.6


def packaged(trainer: Trainer) -> Path:
    """Make the training folder a model: `--model FOLDER` takes it, a copy in `models/<name>/` installs it."""
    folder, config = trainer.folder, trainer.config
    latent_components(trainer).save(folder / COMPONENTS)
    card = {
        "card_version": 1,
        "name": config.name,
        **config.card,
        "network": {"type": "latent", **config.network},
        "canvas": {"size": config.canvas_size, "spacing_mm": config.canvas_spacing_mm},
        "alignment": "centre",
        "domain": config.card["domain"] | domain(trainer),
        "training": {
            "cases": len(trainer.train_cases),
            "held_out_cases": len(trainer.held_out),
            "started_from": Path(config.start_from).parent.name or None,
            "steps": trainer.step,
            "batch_pairs": config.batch,
            "seed": config.seed,
            "hours": training_hours(folder),
            "machine": f"{platform.machine()} CPU, {torch.get_num_threads()} of its threads",
            "finished": date.today().isoformat(),
            "command": f"regexplain train regexplain/configs/{config.name}.json",
        },
        "figures": {
            "held_out_dice": {
                "unregistered": round(mean_dice(_still, trainer.held_out), 4),
                "registered": round(mean_dice(trainer.average, trainer.held_out, trainer.device), 4),
            }
        },
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "files": {name: sha256(folder / name) for name in (WEIGHTS, COMPONENTS)},
    }
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


@torch.inference_mode()
def latent_components(trainer: Trainer) -> LatentComponents:
    """PCA of the encodings of the volumes trained on, each alone."""
    encodings = [
        trainer.average.encode(case.volume[None].to(trainer.device)).flatten().cpu().numpy()
        for case in trainer.train_cases
    ]
    return LatentComponents.fit(np.stack(encodings))


def domain(trainer: Trainer) -> dict[str, Any]:
    """Extents of the training images with a margin, and the spacings that the canvas' own can stand for."""
    config = trainer.config
    grids = [anatomical(Grid.of(read_volume(path))) for path, _ in case_files(config)]
    extents = np.stack([grid.extent for grid in grids])
    spacing = np.array(config.canvas_spacing_mm)
    return {
        "extent_mm": {
            "min": (extents.min(0) - EXTENT_MARGIN_MM).round(1).tolist(),
            "max": (extents.max(0) + EXTENT_MARGIN_MM).round(1).tolist(),
        },
        "spacing_mm": {
            "min": (spacing / SPACING_FACTOR).round(2).tolist(),
            "max": (spacing * SPACING_FACTOR).round(2).tolist(),
        },
    }


def training_hours(folder: Path) -> float:
    """Summed over the log's gaps shorter than ten minutes, so that pauses do not count."""
    times = [json.loads(line)["time"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return round(sum(gap for gap in np.diff(times) if gap < 600) / 3600, 2)


def _still(fixed: torch.Tensor, moving: torch.Tensor):
    """The registration that moves nothing: what 'unregistered' means on the canvas."""
    zero = fixed.new_zeros(1, 3, *fixed.shape[2:])
    return RegistrationOutput(zero, zero, zero)
