"""From a trained network to a model folder: weights, components, card."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..decomposition import LatentComponents
from ..geometry import Grid, anatomical
from ..images import read_volume
from ..networks.latent import RegistrationOutput
from ..population import calibrated
from ..readable import towards
from ..registry import CARD, COMPONENTS, WEIGHTS, sha256
from . import curves
from .cases import case_files
from .evaluation import mean_dice
from .known_motions import known_motions, motion_directions
from .trainer import Trainer

EXTENT_MARGIN_MM = 3.0
SPACING_FACTOR = 1.6
KNOWN_MOTION_CASES = 30


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
        "training": training(trainer),
        "figures": {
            "held_out_dice": {
                "unregistered": round(mean_dice(_still, trainer.held_out), 4),
                "registered": round(mean_dice(trainer.average, trainer.held_out, trainer.device), 4),
            }
        },
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "files": {name: sha256(folder / name) for name in (WEIGHTS, COMPONENTS)},
    }
    curves.draw(folder)
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


@torch.inference_mode()
def latent_components(trainer: Trainer) -> LatentComponents:
    """PCA of the encodings of the volumes trained on, each alone, and how far these lie from each other."""
    encodings = [
        trainer.average.encode(case.volume[None].to(trainer.device)).flatten().cpu().numpy()
        for case in trainer.train_cases
    ]
    found = calibrated(LatentComponents.fit(encodings), encodings)
    directions = known_directions(trainer)
    if len(found.sd) < len(directions):
        return found  # too few cases to tell the motions apart
    return replace(found, readable=towards(found, directions, len(found.sd)))


def known_directions(trainer: Trainer) -> np.ndarray:
    """(M, n): what rotations, translations and a zoom do in the latent space, the mean over some training cases."""
    every = max(1, len(trainer.train_cases) // KNOWN_MOTION_CASES)
    volumes = [case.volume.to(trainer.device) for case in trainer.train_cases[::every]]
    return motion_directions(trainer.average, volumes, known_motions(), trainer.config.canvas_spacing_mm)


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


def training(trainer: Trainer) -> dict[str, Any]:
    """How the weights came about, what it cost, and how the held-out Dice went."""
    config, rows = trainer.config, curves.read(trainer.folder)
    return {
        "cases": len(trainer.train_cases),
        "held_out_cases": len(trainer.held_out),
        "started_from": Path(config.start_from).parent.name or None,
        "steps": trainer.step,
        "batch_pairs": config.batch,
        "precision": config.precision,
        "seed": config.seed,
        "hours": curves.hours(rows),
        "seconds_a_step": round(float(np.median([row["seconds"] for row in rows])), 3),
        "machine": machine(trainer.device, trainer.workers.size),
        "finished": date.today().isoformat(),
        "command": f"regexplain train RegExplain/regexplain/configs/{config.name}.json",
        "curve": [[row["step"], row["held_out_dice"] and round(row["held_out_dice"], 4)] for row in rows],
    }


def machine(device: torch.device, processes: int) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} processor"
    threads = "" if device.type == "cuda" else f", {torch.get_num_threads()} of its threads"
    return f"{processes} × {name}{threads}" if processes > 1 else f"{name}{threads}"


def _still(fixed: torch.Tensor, moving: torch.Tensor):
    """The registration that moves nothing: what 'unregistered' means on the canvas."""
    zero = fixed.new_zeros(1, 3, *fixed.shape[2:])
    return RegistrationOutput(zero, zero, zero)
