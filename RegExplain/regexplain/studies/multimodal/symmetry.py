"""Claim 2: are T's maps the same in both directions, is the transformation, and does either predict the error?"""

from __future__ import annotations

from ..charts import intervals, scatters, stepwise
from ..measures import Estimate, mean_of, rank_correlation_over, rank_correlation_within
from ..sections import Row, Section
from .degradation import INTACT, UNITS
from .observations import METHODS
from .ordinary import IDENTICAL, ONE_MODALITY, ORDINARY, SHUFFLED
from .randomisation import CASCADE
from .run import Run, column, estimate

TEXT = (
    "T's forward map is of the mean displacement over the fixed image's tissue, its backward map of the inverse "
    "over the same tissue in the moving image; both lie half the way between the images, where their sizes |map| "
    "are correlated: as T is antisymmetric, orders that do the same have maps of opposite signs, and a signed "
    "correlation of −1. inverse_consistency is of the displacements that the model gives: 0 but for "
    "interpolation, by construction, as one is exp(v) and the other exp(−v). disagreement is what T's two orders, "
    "N(fixed, moving) and N(moving, fixed), do not share before they are made antisymmetric; two_orders is the "
    "inverse consistency error that they would have as two registrations, which is what the papers speak of."
)
CORRELATION = (
    "Spearman's correlation of what a user can see with the registration error that only a known motion tells. "
    "Over all: every pair and step; drawn anew for the interval are whole pairs. Within pairs: the mean of each "
    "pair's own. Ordinary: the pairs that nothing was done to. Degraded are the moving image (noise, blur, a slab "
    "of black slices) and the weights of G and T (normal noise)."
)
INDICATORS = {
    **{f"symmetry_{m}": f"symmetry of T's maps, {m}" for m in METHODS},
    "disagreement_mm": "disagreement of T's two orders",
    "two_orders_mm": "inverse consistency of T's two orders",
    "inverse_consistency_mm": "inverse consistency by construction",
    **{f"complementarity_{m}": f"agreement of G's maps, {m}" for m in METHODS},
    **{f"divergence_{m}": f"divergence of D's maps, {m}" for m in METHODS},
    "logit_difference": "difference of D's logits",
}


def symmetry(run: Run, rows: list[Row], random: list[Row]) -> Section:
    kinds = (ORDINARY, ONE_MODALITY, SHUFFLED)
    names = [*kinds, *(f"random: {step}" for step in list(CASCADE)[:-1])]
    groups: dict[str, list] = {}
    table: list[Row] = []
    for method in METHODS:
        estimates = [estimate(rows, f"symmetry_{method}", kind=kind) for kind in kinds]
        estimates += [estimate(random, f"symmetry_{method}", step=step) for step in list(CASCADE)[:-1]]
        groups[method] = [one[:3] for one in estimates]
        name = f"directions_signed_{method}"
        signed = [estimate(rows, name, kind=kind) for kind in kinds]
        signed += [estimate(random, name, step=step) for step in list(CASCADE)[:-1]]
        for maps, one, other in zip(names, estimates, signed, strict=True):
            sizes = one.columns("correlation_of_sizes") | other.columns("signed_correlation")
            table.append({"method": method, "maps": maps, **sizes, "pairs": one.pairs})
    lengths = [
        {"length": name, "pairs of": kind, **estimate(rows, name, kind=kind).columns("mm")}
        for name in ("disagreement_mm", "two_orders_mm", "inverse_consistency_mm")
        for kind in (ORDINARY, ONE_MODALITY, IDENTICAL)
    ]
    figure = intervals(groups, names, "correlation of the sizes of T's forward and backward map")
    return Section(
        "2. Symmetry: both directions",
        TEXT,
        {run.save_figure("symmetry", figure): "Mean over the pairs with its 95 % interval."},
        {
            run.write_table("symmetry", table): "The same in numbers.",
            run.write_table("inverse-consistency", lengths): "Mean over the tissue, then over the pairs.",
        },
    )


def correlations(run: Run, rows: list[Row], worse: list[Row]) -> tuple[list[Row], Section]:
    """Of every indicator with the error. A row an indicator and scope."""
    ordinary = [row for row in rows if row["kind"] == ORDINARY]
    table = []
    for name in INDICATORS:
        for scope, one in _scopes(name, ordinary, worse).items():
            table.append({"indicator": name, "rows": scope, **one.columns("correlation"), "pairs": one.pairs})
    asymmetric = [with_disagreement(worse, method) for method in METHODS]
    for method, one in zip(METHODS, asymmetric, strict=True):
        title = f"symmetry_{method} with disagreement_mm"
        table.append({"indicator": title, "rows": "all", **one.columns("correlation"), "pairs": one.pairs})
    panels = {
        INDICATORS[name]: {
            kind: (column(worse, name, kind=kind), column(worse, "error_mm", kind=kind)) for kind in KINDS
        }
        for name in (f"symmetry_{next(iter(METHODS))}", "disagreement_mm", f"divergence_{next(iter(METHODS))}")
    }
    figures = {
        run.save_figure("error-against-indicators", scatters(panels, "error, mm")): "A point a pair and step.",
        run.save_figure("degraded", stepwise(_steps(worse), "step", "mean over the pairs")): "Step by step: "
        + "; ".join(f"{kind} ({unit})" for kind, unit in UNITS.items())
        + ".",
    }
    tables = {run.write_table("correlations", table): "Of each indicator with the error in mm."}
    return table, Section("What the indicators say about the error", CORRELATION, figures, tables)


KINDS = (INTACT, *UNITS)


def with_disagreement(worse: list[Row], method: str) -> Estimate:
    return rank_correlation_over(
        column(worse, "pair"), column(worse, f"symmetry_{method}"), column(worse, "disagreement_mm")
    )


def _scopes(name: str, ordinary: list[Row], worse: list[Row]) -> dict[str, Estimate]:
    def columns(rows: list[Row]) -> tuple[list, list[float], list[float]]:
        return column(rows, "pair"), column(rows, name), column(rows, "error_mm")

    estimates = {
        "all": rank_correlation_over(*columns(worse)),
        "within pairs": rank_correlation_within(*columns(worse)),
        "ordinary": rank_correlation_over(*columns(ordinary)),
    }
    for kind in UNITS:
        estimates[f"within pairs, {kind}"] = rank_correlation_within(
            *columns([row for row in worse if row["kind"] in (kind, INTACT)])
        )
    return estimates


def _steps(worse: list[Row]) -> dict[str, dict[str, tuple[list[int], list[Estimate]]]]:
    """Panel → kind → (steps, estimates), the intact pairs being each kind's step 0."""
    first = next(iter(METHODS))
    shown = {"error_mm": "error, mm"}
    shown |= {
        f"symmetry_{first}": "symmetry",
        "disagreement_mm": "disagreement, mm",
        f"divergence_{first}": "divergence",
    }
    panels: dict[str, dict[str, tuple[list[int], list[Estimate]]]] = {}
    for name, title in shown.items():
        panels[title] = {}
        for kind in UNITS:
            numbers = sorted({row["step"] for row in worse if row["kind"] in (kind, INTACT)})
            estimates = [
                mean_of([r[name] for r in worse if r["step"] == n and r["kind"] in (kind, INTACT)]) for n in numbers
            ]
            panels[title][kind] = (numbers, estimates)
    return panels
