"""Dice of both networks on the validation pairs, by the package's own evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...cards.registry import ModelCard, installed_cards, user_cards
from ...evaluation import EvaluationConfig, evaluate
from ..charts import distributions
from ..sections import Section
from .study import IMAGES, LABELS, VALIDATION, Study

TEXT = (
    "Pairs as in the paper: with the validation cases in ascending order, case k is fixed and case n − 1 − k moving. "
    "Unregistered means aligned image centres, as padding does (dice aligned in the table). Dice is the "
    "mean over the segments, labels warped by nearest neighbour; folded is the share of voxels with det J ≤ 0."
)


def overlap(study: Study, data: Path, device: str, threads: int | None) -> tuple[dict[str, np.ndarray], Section]:
    """Dice of each pair, {"unregistered", "without skips", "with skips"}."""
    pairs = evaluate(
        EvaluationConfig(
            models=[named(model.card) for model in study.models.values()],
            images=str((data / IMAGES).absolute()),
            segmentations=str((data / LABELS).absolute()),
            first=VALIDATION[0],
            last=VALIDATION[1],
            output=str((study.folder / "tables" / "pairs.csv").absolute()),
        ),
        device,
        threads,
        study.progress,
    )
    scores = {
        name: np.array([row["dice_after"] for row in pairs if row["model"] == named(model.card)])
        for name, model in study.models.items()
    }
    aligned = [row["dice_aligned"] for row in pairs if row["model"] == named(study.plain.card)]
    scores = {"unregistered": np.array(aligned)} | scores
    figure = distributions(scores, "Dice (1: the segments agree)")
    return scores, Section(
        "Registration of the validation pairs",
        TEXT,
        {study.save_figure("dice", figure): f"Dice of the {len(aligned)} validation pairs."},
        {"pairs-summary": "Means over the pairs, and the standard deviations of Dice over them."},
    )


def named(card: ModelCard) -> str:
    """What finds the model again: its name, or its folder where it is not installed."""
    installed = any(card == other for other in (*installed_cards(), *user_cards()))
    return card.name if installed else str(card.folder)
