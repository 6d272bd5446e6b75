"""How the weights of a run were trained, for the model card."""

from __future__ import annotations

import platform
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import curves
from .trainer import Trainer


def record(trainer: Trainer[Any]) -> dict[str, Any]:
    """What it cost, and how the first figure of what is held out went."""
    config, rows = trainer.config, curves.read(trainer.folder)
    figure = next((name for name in rows[-1] if name.startswith(curves.HELD_OUT)), None)
    return {
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
        "curve": [[row["step"], round(row[figure], 4) if figure else None] for row in rows],
    }


def machine(device: torch.device, processes: int) -> str:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} processor"
    threads = "" if device.type == "cuda" else f", {torch.get_num_threads()} of its threads"
    return f"{processes} × {name}{threads}" if processes > 1 else f"{name}{threads}"
