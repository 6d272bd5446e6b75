"""Claim 4: does a map point at a bump placed by us? (the pointing game, Zhang et al. 2016)

Two images of a head in one place, one of them with a local expansion: the bump is all that moves. A hit is a largest
|value| within `HIT_MM` of its centre, of the map itself, and of the difference from the map of the pair without bump.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...torch_backend.spatial.warp import warp
from ..charts import intervals
from ..measures import Estimate
from ..sections import Row, Section
from .observations import METHODS, STAGES, Observation, observe
from .pairs import Pair
from .run import Run, column, estimate

BUMP_SD_MM, BUMP_MM = 8.0, 4.0  # its width, and how far it moves tissue at most, there
HIT_MM = 12.0  # where it moves most, and one of G's cells (4 mm) more
PLACES = 4  # of each head
TRUSTED = 0.9
ITSELF, DIFFERENCE = "map", "difference"
ANSWER, BLIND = "displacement", "blind guess"
TEXT = (
    "Both images show a head in the same place; in the moving one tissue about a random place of the head moves "
    f"apart (by {BUMP_MM:g} mm at most, {BUMP_SD_MM:g} mm from the centre). A hit: the largest |value| in the "
    f"tissue lies within {HIT_MM:g} mm of the centre: where the bump moves most, and one of G's cells more. Of the "
    "map itself, as a reader sees it, and of its difference from the map of the same pair without the bump. "
    "'displacement' is the network's own answer, without a map: no map can point at what the network does not "
    f"see. A method is to be trusted for pointing from {TRUSTED:.0%} hits on."
)


def pointing(run: Run) -> tuple[list[Row], Section]:
    """A row a bump, method, stage and way of looking."""
    heads = list({pair.head: pair for pair in run.pairs}.values())
    rows: list[Row] = []
    for number, pair in enumerate(run.each("Pointing at bumps", heads)):
        rows += of_head(run, pair, number)
    run.write_table("bumps", rows)
    table = rates(rows)
    names = [f"{row['stage']}, {row['looked_at']}" for row in table if row["method"] == next(iter(METHODS))]
    groups = {m: [(r["hits"], r["hits_low"], r["hits_high"]) for r in table if r["method"] == m] for m in METHODS}
    return rows, Section(
        "4. Faithfulness: pointing at a known bump",
        TEXT,
        {run.save_figure("pointing", intervals(groups, names, "share of hits")): "With its 95 % interval."},
        {run.write_table("pointing", table): "Share of hits, median distance of the largest value."},
    )


def of_head(run: Run, pair: Pair, seed: int) -> Iterator[Row]:
    still = replace(pair, moving=pair.still, undo=torch.zeros_like(pair.undo))
    without = observe(run.network, still)
    for centre in places(pair, seed):
        away = distance_mm(pair, centre)
        bumped = replace(still, moving=warp(pair.still, bump(pair, centre), padding="zeros"))
        observation = observe(run.network, bumped)
        names = {"pair": pair.name, "place": ", ".join(str(n) for n in centre.tolist())}
        for method, stage, looked, values in _candidate_maps(observation, without, pair):
            distance = float(away.flatten()[(values.abs() * pair.inside).argmax()])
            yield names | _row(method, stage, looked, distance, float(distance <= HIT_MM))
        guess = float((away[pair.inside > 0.5] <= HIT_MM).float().mean())
        yield names | _row(BLIND, "", "", float(away[pair.inside > 0.5].median()), guess)


def _row(method: str, stage: str, looked_at: str, distance: float, hit: float) -> Row:
    return {"method": method, "stage": stage, "looked_at": looked_at, "distance_mm": distance, "hit": hit}


def _candidate_maps(
    observation: Observation, without: Observation, pair: Pair
) -> Iterator[tuple[str, str, str, Tensor]]:
    for method in METHODS:
        for stage in STAGES:
            now, before = observation.maps[method][stage], without.maps[method][stage]
            yield method, stage, ITSELF, now
            yield method, stage, DIFFERENCE, now - before
    now, before = (s.output.displacement for s in (observation, without))
    yield ANSWER, "", ITSELF, now.norm(dim=1)[0]
    yield ANSWER, "", DIFFERENCE, (now - before).norm(dim=1)[0]


def rates(rows: list[Row]) -> list[Row]:
    table = []
    for key in dict.fromkeys((row["method"], row["stage"], row["looked_at"]) for row in rows):
        chosen = dict(zip(("method", "stage", "looked_at"), key, strict=True))
        hits = estimate(rows, "hit", **chosen)
        distances = sorted(column(rows, "distance_mm", **chosen))
        trusted = "—" if key[0] in (ANSWER, BLIND) else "yes" if hits.value >= TRUSTED else "no"
        median = {
            "median_distance_mm": distances[len(distances) // 2],
            "bumps": len(distances),
            "to_be_trusted": trusted,
        }
        table.append(chosen | hits.columns("hits") | median)
    return table


def hits(rows: list[Row], method: str, stage: str, looked_at: str) -> Estimate:
    return estimate(rows, "hit", method=method, stage=stage, looked_at=looked_at)


def places(pair: Pair, seed: int) -> Tensor:
    """(PLACES, 3) voxels x, y, z of the tissue, with tissue all about; always the same ones."""
    cells = 2 * round(HIT_MM / pair.spacing[0] / 2) + 1
    deep = F.avg_pool3d(pair.inside[None, None], cells, 1, cells // 2)[0, 0]
    inside = (deep >= min(0.95, float(deep.max()))).nonzero().flip(1)
    chosen = torch.randint(len(inside), (PLACES,), generator=torch.Generator().manual_seed(seed))
    return inside[chosen.to(inside.device)]


def offsets_mm(pair: Pair, centre: Tensor) -> Tensor:
    """(1, 3, D, H, W): of each voxel from the centre (x, y, z), mm."""
    z, y, x = torch.meshgrid(*(torch.arange(n, device=pair.inside.device) for n in pair.inside.shape), indexing="ij")
    away = torch.stack([x, y, z])[None].float() - centre.view(1, 3, 1, 1, 1)
    return away * away.new_tensor(pair.spacing).view(1, 3, 1, 1, 1)


def distance_mm(pair: Pair, centre: Tensor) -> Tensor:
    return offsets_mm(pair, centre).norm(dim=1)[0]


def bump(pair: Pair, centre: Tensor) -> Tensor:
    """(1, 3, D, H, W) canvas voxels, pull-back of an expansion: towards the centre, BUMP_MM at BUMP_SD_MM from it."""
    away = offsets_mm(pair, centre)
    radius = away.norm(dim=1, keepdim=True) / BUMP_SD_MM
    inwards = -away / BUMP_SD_MM * torch.exp((1 - radius**2) / 2) * BUMP_MM
    return inwards / inwards.new_tensor(pair.spacing).view(1, 3, 1, 1, 1)
