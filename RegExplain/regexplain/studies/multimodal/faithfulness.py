"""Claim 4: do G's maps rank what the registration depends on? Deletion and insertion (Petsiuk et al. 2018).

The images' cells of 2 × 2 × 2 voxels (G's finest) are taken in the order of a map, in each image by its own; taken
cells become what is left of them after a wide blur (deletion), or all others do (insertion).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

from ...torch_backend.attribution.attribution import Attribution
from ...torch_backend.attribution.scalars import mean_magnitude
from ...torch_backend.attribution.target import motion_target
from ..charts import intervals, stepwise
from ..measures import Estimate, area, mean_of
from ..sections import Row, Section
from .degradation import blur
from .observations import ENCODER, METHODS, observe, register
from .pairs import Pair
from .run import Run, column, difference, estimate

BLUR_MM = 12.0
CELL = 2
FRACTIONS = (0.0, 0.05, 0.15, 0.4, 1.0)
INTEGRATED, INTEGRATED_PAIRS, INTEGRATED_STEPS = "integrated-gradients", 2, 8
SHOWN = ", ".join(f"{fraction:g}" for fraction in FRACTIONS)
RANDOM, EDGES = "random", "edges"
JUDGED = "kept"  # a value can also grow by the false motion that blurred cells make
TEXT = (
    "Value: the mean displacement over the tissue, of which the maps are, as a share of the intact pair's; kept: "
    "1 − the mean difference from the intact displacement, a share of its mean. Area under the curve over the "
    f"fraction of cells that is deleted (or inserted), {SHOWN}: a faithful map deletes low and inserts high. "
    f"Deleted cells become the image blurred by {BLUR_MM:g} mm. Random cells and cells ordered by the image's "
    "gradient are what a map has to beat. Judged is what is kept: blurred cells make false motion, and a value grows "
    "with that too."
)
Orders = dict[str, tuple[Tensor, Tensor]]


def faithfulness(run: Run) -> tuple[list[Row], Section]:
    """(a row a pair and ordering with its areas, the page's part)."""
    points: list[Row] = []
    areas: list[Row] = []
    for number, pair in enumerate(run.each("Deleting and inserting", run.subset)):
        curves = Curves(lambda fixed, moving: register(run.network, fixed, moving).displacement, pair)
        for name, order in orderings(run, pair, number).items():
            names: Row = {"pair": pair.name, "ordering": name}
            row: Row = dict(names)
            for kind in ("deletion", "insertion"):
                curve = list(curves.points(order, kind))
                points += [names | {"kind": kind} | point for point in curve]
                for value in ("value", "kept"):
                    row[f"{kind}_{value}"] = area(FRACTIONS, [point[value] for point in curve])
            areas.append(row)
    run.write_table("curve-points", points)
    run.write_table("areas-of-pairs", areas)
    return areas, section(run, points, areas)


def section(run: Run, points: list[Row], areas: list[Row]) -> Section:
    names = list(dict.fromkeys(row["ordering"] for row in areas))
    columns = [name for name in areas[0] if name not in ("pair", "ordering")]
    table = []
    for ordering in names:
        row: Row = {"ordering": ordering, "pairs": len(column(areas, columns[0], ordering=ordering))}
        for name in columns:
            row |= estimate(areas, name, ordering=ordering).columns(name)
        table.append(row)
    panels = {
        kind: {
            name: (
                list(FRACTIONS),
                [mean_of(column(points, JUDGED, kind=kind, ordering=name, fraction=f)) for f in FRACTIONS],
            )
            for name in names
        }
        for kind in ("deletion", "insertion")
    }
    return Section(
        "4. Faithfulness: deletion and insertion",
        TEXT,
        {run.save_figure("curves", stepwise(panels, "fraction of cells", "kept of the intact displacement")): "Means."},
        {run.write_table("faithfulness", table): "Areas under the curves, mean over the pairs."},
    )


def orderings(run: Run, pair: Pair, seed: int) -> Orders:
    """By name: numbers on the cells (d, h, w) of the fixed and of the moving image, the highest first."""
    observation = observe(run.network, pair)
    orders: Orders = {name: _cells(*(observation.maps[name][stage] for stage in ENCODER)) for name in METHODS}
    if seed < INTEGRATED_PAIRS and find_spec("captum"):
        orders[INTEGRATED] = _cells(*integrated_gradients(run, pair))
    orders[EDGES] = _cells(*(edges(image[0, 0]) for image in (pair.fixed, pair.moving)))
    generator = torch.Generator().manual_seed(seed)
    blind = [torch.rand(orders[EDGES][0].shape, generator=generator).to(pair.fixed) for _ in range(2)]
    return orders | {RANDOM: (blind[0], blind[1])}


def integrated_gradients(run: Run, pair: Pair) -> list[Tensor]:
    from ...torch_backend.attribution.methods.integrated_gradients import IntegratedGradients

    method: Attribution = IntegratedGradients(INTEGRATED_STEPS)
    target = motion_target(run.network, pair.fixed, pair.moving, "magnitude", pair.inside, pair.spacing)
    return [one.values for one in method.maps(target)]


def edges(image: Tensor) -> Tensor:
    """|gradient| of (D, H, W), central differences."""
    return sum(g.square() for g in torch.gradient(image)).sqrt()  # type: ignore[union-attr]


class Curves:
    """Deletion and insertion of one pair. network: two images to the displacement, canvas voxels."""

    def __init__(self, network: Callable[[Tensor, Tensor], Tensor], pair: Pair):
        self.network, self.pair = network, pair
        self.images = pair.fixed, pair.moving
        self.blank = [blur(image, BLUR_MM, pair.spacing) for image in self.images]
        self.intact, self.blurred = network(*self.images), network(*self.blank)

    def points(self, order: tuple[Tensor, Tensor], kind: str) -> Iterator[dict[str, float]]:
        """Value and kept at each of FRACTIONS."""
        value, length = self._value(self.intact), self.pair.mean_mm(self.intact)
        for fraction in FRACTIONS:
            now = self._answer(order, fraction, kind == "deletion")
            kept = 1 - self.pair.mean_mm(now - self.intact) / length
            yield {"fraction": fraction, "value": self._value(now) / value, "kept": kept}

    def _answer(self, order: tuple[Tensor, Tensor], fraction: float, deleting: bool) -> Tensor:
        if fraction in (0, 1):
            return self.intact if (fraction == 0) == deleting else self.blurred
        changed = []
        for image, blank, cells in zip(self.images, self.blank, order, strict=True):
            taken = top_cells(cells, fraction).to(image)
            changed.append(blank + (1 - taken if deleting else taken) * (image - blank))
        return self.network(*changed)

    def _value(self, displacement: Tensor) -> float:
        return float(mean_magnitude(displacement, self.pair.inside, self.pair.spacing))


def top_cells(cells: Tensor, fraction: float) -> Tensor:
    """(2d, 2h, 2w): 1 in the highest `fraction` of cells (d, h, w)."""
    flat = torch.zeros(cells.numel(), device=cells.device)
    flat[cells.flatten().argsort(descending=True, stable=True)[: round(fraction * cells.numel())]] = 1
    whole = flat.view(cells.shape)
    for axis in range(3):
        whole = whole.repeat_interleave(CELL, axis)
    return whole


def gain(areas: list[Row], method: str, over: str, name: str) -> Estimate:
    """How much better than another ordering, over the pairs: lower when deleting, higher when inserting."""
    first, second = {"ordering": method}, {"ordering": over}
    if name.startswith("deletion"):
        first, second = second, first
    return difference(areas, name, first, second)


def compare_orderings(run: Run, areas: list[Row]) -> Section:
    """The gains that the claims are judged by."""
    table, groups = [], {}
    names = [f"{kind}, against {over}" for kind in ("deletion", "insertion") for over in (RANDOM, EDGES)]
    for method in METHODS:
        gains = [
            gain(areas, method, over, f"{kind}_{JUDGED}")
            for kind in ("deletion", "insertion")
            for over in (RANDOM, EDGES)
        ]
        groups[method] = [one[:3] for one in gains]
        table += [{"method": method, "compared": n, **one.columns("gain")} for n, one in zip(names, gains, strict=True)]
    figure = intervals(groups, names, "area gained (above 0: better than the other ordering)")
    return Section(
        "4. Faithfulness: against other orderings",
        "What a map's ordering gains over another one of the same pair.",
        {run.save_figure("gains", figure): "Mean over the pairs with its 95 % interval."},
        {run.write_table("gains", table): "The same in numbers."},
    )


def _cells(fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    of_fixed, of_moving = (F.avg_pool3d(m[None, None], CELL)[0, 0] for m in (fixed, moving))
    return of_fixed, of_moving
