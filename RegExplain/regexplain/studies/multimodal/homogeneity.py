"""Claim 3: are D's maps of real and synthesised images alike, and does it show when a synthesis is bad?"""

from __future__ import annotations

import torch
from torch import Tensor

from ...torch_backend.spatial.warp import warp
from ..charts import intervals, stepwise
from ..measures import Estimate, rank_correlation_over, rank_correlation_within
from ..sections import Row, Section
from .degradation import blur
from .observations import METHODS, compare_discriminator_maps, register
from .ordinary import ONE_MODALITY, ORDINARY, SHUFFLED
from .pairs import Pair
from .randomisation import LAST
from .run import Run, column, estimate

BLUR_MM, NOISE_SD = 6.0, 0.3
SHARES = {"blur": (0.25, 0.5, 0.75, 1.0), "noise": (0.1, 0.2, 0.4, 0.8)}
INTACT = "intact"
TEXT = (
    "Divergence Σ|a − b| / Σ(|a| + |b|) of D's raw maps (mean patch logit over the tissue) of a real image and of its "
    "synthesis from the other image at the same place: 0 for the same map, 1 for maps that share nothing. Mean of both "
    "images. Shuffled: two heads' real images of one modality, each at its own place. Random: with random weights."
)
STEPS = (
    f"Moving is drawn by F as the fixed image's modality and blended with its blur ({BLUR_MM:g} mm) or with noise "
    f"(standard deviation {NOISE_SD:g} of the brightest), more from step to step. D compares it with the real "
    "image of that modality at the same place (fixed, moved by the known motion), and the pair of fixed and this "
    "synthesis is registered: the error says what the synthesis is worth."
)


def homogeneity(run: Run, rows: list[Row], random: list[Row]) -> tuple[list[Row], Section]:
    names = [ORDINARY, ONE_MODALITY, SHUFFLED, "random weights"]
    table, groups = [], {}
    for method in METHODS:
        name = f"divergence_{method}"
        estimates = [estimate(rows, name, kind=kind) for kind in names[:3]] + [estimate(random, name, step=LAST)]
        groups[method] = [one[:3] for one in estimates]
        for maps, one in zip(names, estimates, strict=True):
            table.append({"method": method, "images": maps, **one.columns("divergence"), "pairs": one.pairs})
    figure = intervals(groups, names, "divergence of D's maps of real and synthesised")
    return table, Section(
        "3. Homogeneity: D's maps of real and synthesised images",
        TEXT,
        {run.save_figure("homogeneity", figure): "Mean over the pairs with its 95 % interval."},
        {run.write_table("homogeneity", table): "The same in numbers."},
    )


def worse_syntheses(run: Run) -> tuple[list[Row], Section]:
    """A row a pair and step."""
    rows: list[Row] = []
    for seed, pair in enumerate(run.each("Making syntheses worse", run.subset)):
        modality = pair.modalities[0]
        real = warp(pair.fixed, pair.undo, padding="zeros")
        region = warp(pair.inside[None, None], pair.undo, padding="zeros")[0, 0]
        for kind, step, image in syntheses(run, pair, seed):
            error = pair.error_mm(register(run.network, pair.fixed, image).displacement)
            named = {"pair": pair.name, "kind": kind, "step": step, "error_mm": error}
            rows.append(named | compare_discriminator_maps(run.network, modality, real, image, region))
    run.write_table("synthesis-steps", rows)
    kinds = tuple(SHARES)
    first = f"divergence_{next(iter(METHODS))}"
    panels = {
        title: {kind: _along(rows, kind, name) for kind in kinds}
        for name, title in ((first, "divergence of D's maps"), ("error_mm", "error, mm"))
    }
    summary = []
    for name in (*(f"divergence_{m}" for m in METHODS), "logit_difference"):
        for against in ("step", "error_mm"):
            for scope, one in correlated(rows, name, against).items():
                summary.append({"of": name, "with": against, "rows": scope, **one.columns("correlation")})
    figure = stepwise(panels, "step", "mean over the pairs")
    return rows, Section(
        "3. Homogeneity: syntheses made worse",
        STEPS,
        {run.save_figure("synthesis-steps", figure): "Mean over the pairs with its 95 % interval; step 0 is F's own."},
        {run.write_table("synthesis-correlations", summary): "Spearman's correlations over pairs and steps."},
    )


def correlated(rows: list[Row], name: str, against: str) -> dict[str, Estimate]:
    columns = column(rows, "pair"), column(rows, name), column(rows, against)
    return {"all": rank_correlation_over(*columns), "within pairs": rank_correlation_within(*columns)}


@torch.no_grad()
def syntheses(run: Run, pair: Pair, seed: int) -> list[tuple[str, int, Tensor]]:
    """(kind, step, moving as the fixed image's modality), F's own first."""
    synthesised, _ = run.network.synthesise(run.network.encoder(pair.moving)[-1], pair.modalities[0])
    noise = torch.randn(synthesised.shape, generator=torch.Generator().manual_seed(seed)).to(synthesised) * NOISE_SD
    towards = {"blur": blur(synthesised, BLUR_MM, pair.spacing), "noise": (synthesised + noise).clamp(0, 1)}
    steps = [(INTACT, 0, synthesised)]
    for kind, shares in SHARES.items():
        steps += [(kind, n, synthesised + s * (towards[kind] - synthesised)) for n, s in enumerate(shares, start=1)]
    return steps


def _along(rows: list[Row], kind: str, name: str) -> tuple[list[int], list[Estimate]]:
    numbers = list(range(len(SHARES[kind]) + 1))
    return numbers, [estimate(rows, name, kind=kind if n else INTACT, step=n) for n in numbers]
