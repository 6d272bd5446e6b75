"""How much of the variance the leading components explain (Estienne et al. 2021, section 4)."""

from __future__ import annotations

import numpy as np

from ...latent.components import LatentComponents
from ..charts import curves
from ..sections import Section
from .spaces import Space
from .study import Study, encodings, volume

PAPER = {4: 62.0, 32: 93.0}  # percent, hippocampus without skips
TEXT = (
    "Share of the encodings' squared distance from the training mean that lies within the first K components of the "
    "model; for the displacement fields, of the fields that they were computed from. The components were computed "
    "from training cases alone; on validation cases they explain what they have learnt of the population."
)


def explained(components: LatentComponents, vectors: np.ndarray) -> np.ndarray:
    """(K,), percent: of the squared distance of (N, n) vectors from the components' mean, within the first 1 … K."""
    centred = vectors - components.mean
    within = ((centred @ components.basis.T) ** 2).sum(0)
    return 100 * within.cumsum() / (centred**2).sum()


def variance(study: Study, control: Space, paper: dict[int, float] = PAPER) -> tuple[dict[str, np.ndarray], Section]:
    """Curves (K,) in percent, by "NETWORK, training cases" and so on."""
    lines: dict[str, np.ndarray] = {}
    roles = {"training": study.training, "validation": study.validation}
    for name, model in study.models.items():
        for role, cases in roles.items():
            study.progress.report("Encoding", len(lines), 2 * len(study.models))
            vectors = encodings(model, [volume(model, case) for case in cases])
            lines[f"{name}, {role} cases"] = explained(model.components, vectors)
    lines["displacement fields, training pairs"] = 100 * control.components.explained_variance.cumsum()
    figure = curves(
        lines, {"the paper, without skips": paper}, "components", "variance explained by the first K (percent)"
    )
    count = min(map(len, lines.values()))
    rows = [
        {"components": k + 1} | {f"{name} (percent)": float(line[k]) for name, line in lines.items()}
        for k in range(count)
    ]
    study.write_table("variance", rows)
    table = study.write_table("variance-paper", [rows[min(k, count) - 1] for k in paper])
    reported = " and ".join(f"{percent:.0f} % with {number}" for number, percent in paper.items())
    return lines, Section(
        "Explained variance",
        TEXT,
        {study.save_figure("variance", figure): f"Crosses: what the paper reports, {reported}."},
        {table: f"With {' and '.join(map(str, paper))} components."},
    )
