"""Which components answer to known motions: box plots of |Δa_j|, and how few they are (purity)."""

from __future__ import annotations

import numpy as np

from ...latent.purity import Measure, Purity, purity
from ..charts import box_plots, intervals
from ..sections import Row, Section
from .predefined import TRANSFORMATIONS, pull_back
from .spaces import COMPARED, SEED, Space
from .study import Study

TEXT = (
    "Every validation case X is compared with its moved copy X′ (about the image's centre; intensities scaled before; "
    "outside the image its darkest value; what leaves the canvas is lost): |Δa_j| is the change of its coordinate "
    "along component j, in the space's own unit. With s the median over the cases of the first ten: the strongest's "
    "share is max s / Σs; the participation ratio (Σs)² / Σs² is 1 for one component and 10 for ten alike; active are "
    "the components with at least half of the strongest's s. Brackets: 95 % of bootstrap samples of the cases."
)
Purities = dict[str, dict[str, Purity]]  # by space, then by motion


def known_motions(study: Study, spaces: dict[str, Space]) -> tuple[Purities, Section]:
    changes = {key: space.changes() for key, space in spaces.items()}
    purities = {key: {name: purity(values, seed=SEED) for name, values in of.items()} for key, of in changes.items()}
    lost = off_canvas(study)
    rows = [
        _row(spaces[key].name, name, changes[key][name], measured, lost[name])
        for key, of in purities.items()
        for name, measured in of.items()
    ]
    section = Section("Known motions", TEXT, {}, {study.write_table("known-motions", rows): "As numbers."})
    for key, space in spaces.items():
        figure = box_plots(changes[key], f"|Δa| ({space.unit})")
        section.figures[study.save_figure(f"box-plots-{space.key}", figure)] = (
            f"{space.name.capitalize()}: |Δa_j| of the first {COMPARED} components over the validation cases. Boxes: "
            "quartiles; whiskers: up to 1.5 times their distance; in orange the strongest median."
        )
    for measure, label in (
        ("participation_ratio", "participation ratio of the median |Δa| (1 = one component)"),
        ("strongest_share", "strongest component's share of the median |Δa|"),
    ):
        ends = {
            spaces[key].name: [_ends(getattr(measured, measure)) for measured in of.values()]
            for key, of in purities.items()
        }
        figure = intervals(ends, [motion.name for motion in TRANSFORMATIONS], label)
        section.figures[study.save_figure(measure.replace("_", "-"), figure)] = (
            f"{label[0].upper()}{label[1:]}, with 95 % bootstrap intervals."
        )
    return purities, section


def off_canvas(study: Study) -> dict[str, float]:
    """Percent of the segments' volume that each motion carries off the canvas, mean over the cases."""
    shares: dict[str, list[float]] = {t.name: [] for t in TRANSFORMATIONS}
    for done, case in enumerate(study.validation):
        study.progress.report("Segments moved", done, len(study.validation))
        before = study.segments(case).sum()
        for motion in TRANSFORMATIONS:
            volume = study.segments(case, pull_back(motion, study.plain.canvas(case.image))).sum()
            shares[motion.name].append(1 - volume / (before * np.linalg.det(motion.matrix)))
    return {name: max(0.0, 100 * float(np.mean(values))) for name, values in shares.items()}


def _row(space: str, motion: str, changes: np.ndarray, measured: Purity, lost: float) -> Row:
    return {
        "space": space,
        "motion": motion,
        "cases": len(changes),
        "strongest_component": int(np.median(changes, 0).argmax()) + 1,
        **_columns("strongest_share", measured.strongest_share),
        **_columns("participation_ratio", measured.participation_ratio),
        **_columns("active_components", measured.active),
        "segments_off_canvas_percent": lost,
    }


def _columns(name: str, measure: Measure) -> Row:
    return {name: measure.value, f"{name}_low": measure.low, f"{name}_high": measure.high}


def _ends(measure: Measure) -> tuple[float, float, float]:
    return measure.value, measure.low, measure.high
