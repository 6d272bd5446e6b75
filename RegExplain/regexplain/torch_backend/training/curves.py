"""The log of a training run: read, summarised, plotted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .trainer import LOG

PICTURE = "training.png"
HELD_OUT = "held_out"  # what the names of the figures on held-out cases begin with
PAUSE_S = 600  # a longer gap between two validations is a stopped run, not work


def read(folder: Path) -> list[dict[str, Any]]:
    """A row a validation, ascending; of one that was repeated, as after a crash, the later one."""
    rows = [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]
    return list({row["step"]: row for row in sorted(rows, key=lambda row: (row["step"], row["time"]))}.values())


def hours(rows: list[dict[str, Any]]) -> float:
    """Time at work between the first validation and the last."""
    gaps = np.diff([row["time"] for row in rows])
    return round(float(gaps[gaps < PAUSE_S].sum()) / 3600, 2)


def draw(folder: Path) -> Path:
    """The losses and the held-out Dice over the steps, as a picture in the folder."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = read(folder)
    steps = [row["step"] for row in rows]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for name in sorted(set(rows[-1]) - {"step", "time", "seconds", "latent", "total"}):
        if name.startswith(HELD_OUT):
            continue
        left.plot(steps, [row[name] for row in rows], label=name.replace("_", " "), linewidth=1)
    left.set(xlabel="step", ylabel="loss (unweighted, of one batch)", yscale="log")
    left.legend(frameon=False, fontsize=8)
    for name in (name for name in rows[-1] if name.startswith(HELD_OUT)):
        right.plot(steps, [row[name] for row in rows], label=name.replace("_", " "), linewidth=1)
    right.set(xlabel="step", ylabel="of what was held out")
    if right.lines:
        right.legend(frameon=False, fontsize=8)
    figure.savefig(folder / PICTURE, dpi=120)
    plt.close(figure)
    return folder / PICTURE
