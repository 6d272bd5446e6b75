"""From a trained network to a model folder: weights, components, card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from ....cards.registry import CARD, COMPONENTS, WEIGHTS, sha256
from ....latent.components import LatentComponents
from ....latent.population import calibrate
from ....latent.readable import rotate_towards
from ....volumes.geometry import Grid, as_closest_lps
from ....volumes.images import read_volume
from ...networks.latent import LatentNetwork, RegistrationOutput
from .. import curves
from ..record import record
from ..trainer import Trainer
from .cases import case_files
from .evaluation import mean_dice
from .known_motions import known_motions, motion_directions
from .task import LatentTask

EXTENT_MARGIN_MM = 3.0
SPACING_FACTOR = 1.6
KNOWN_MOTION_CASES = 30


def package(trainer: Trainer[LatentTask]) -> Path:
    """Make the training folder a model: `--model FOLDER` takes it, a copy in `models/<name>/` installs it."""
    folder, config = trainer.folder, trainer.task.config
    latent_components(trainer).save(folder / COMPONENTS)
    card = {
        "card_version": 1,
        "name": config.name,
        **config.card,
        "network": {"type": "latent", **config.network},
        "canvas": {"size": config.canvas_size, "spacing_mm": config.canvas_spacing_mm},
        "alignment": "centre",
        "domain": config.card["domain"] | domain(trainer),
        "training": {"cases": len(trainer.task.train_cases), "held_out_cases": len(trainer.task.held_out)}
        | record(trainer),
        "figures": figures(trainer),
        "parameters": sum(p.numel() for p in trainer.average.parameters()),
        "files": {name: sha256(folder / name) for name in (WEIGHTS, COMPONENTS)},
    }
    curves.draw(folder)
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


@torch.inference_mode()
def latent_components(trainer: Trainer[LatentTask]) -> LatentComponents:
    """PCA of the encodings of the volumes trained on, each alone, and how far these lie from each other."""
    network = cast(LatentNetwork, trainer.average)
    encodings = [
        network.encode(case.volume[None].to(trainer.device)).flatten().cpu().numpy()
        for case in trainer.task.train_cases
    ]
    found = calibrate(LatentComponents.fit(encodings), encodings)
    directions = known_directions(trainer)
    if len(found.sd) < len(directions):
        return found  # too few cases to tell the motions apart
    return replace(found, readable=rotate_towards(found, directions, len(found.sd)))


def known_directions(trainer: Trainer[LatentTask]) -> np.ndarray:
    """(M, n): what rotations, translations and a zoom do in the latent space, the mean over some training cases."""
    every = max(1, len(trainer.task.train_cases) // KNOWN_MOTION_CASES)
    volumes = [case.volume.to(trainer.device) for case in trainer.task.train_cases[::every]]
    return motion_directions(
        cast(LatentNetwork, trainer.average), volumes, known_motions(), trainer.task.config.canvas_spacing_mm
    )


def figures(trainer: Trainer[LatentTask]) -> dict[str, Any]:
    """How well the held-out cases are registered; nothing where there is no pair of them."""
    held_out = trainer.task.held_out
    if len(held_out) < 2:
        return {}
    dice = {
        "unregistered": mean_dice(_identity_registration, held_out),
        "registered": mean_dice(trainer.average, held_out, trainer.device),
    }
    return {"held_out_dice": {name: round(value, 4) for name, value in dice.items()}}


def domain(trainer: Trainer[LatentTask]) -> dict[str, Any]:
    """Extents of the training images with a margin, and the spacings that the canvas' own can stand for."""
    config = trainer.task.config
    grids = [as_closest_lps(Grid.of(read_volume(path))) for path, _ in case_files(config)]
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


def _identity_registration(fixed: torch.Tensor, moving: torch.Tensor):
    """The registration that moves nothing: what 'unregistered' means on the canvas."""
    zero = fixed.new_zeros(1, 3, *fixed.shape[2:])
    return RegistrationOutput(zero, zero, zero)
