"""Every indicator of ordinary pairs, and of the control pairs.

one modality   the same motion between two images of one contrast: both streams of G get the same modality
shuffled       one stream (or direction, or image) of a pair beside the other one of the pair before it
identical      an image beside itself: nothing moves, and the maps of what moves are 0
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..measures import divergence
from ..sections import Row, Section
from .observations import (
    METHODS,
    TRANSFORMATION,
    Observation,
    compare_directions,
    compare_streams,
    discriminator_map,
    encoder_maps_on_fixed,
    indicators,
    observe,
)
from .pairs import ALIGNED, LABELS, NATIVE, RMS_MM, WIDTH_MM, Pair
from .run import Run, column, estimate

ORDINARY, ONE_MODALITY, SHUFFLED, IDENTICAL = "ordinary", "one modality", "shuffled", "identical"
TEXT = (
    f"{ALIGNED}: a patient's T1 or FLAIR is fixed, the other one is moved by a smooth random field (Gaussian noise of "
    f"{WIDTH_MM:g} mm, {RMS_MM:g} mm root mean square in the tissue). {NATIVE}: likewise, of a native visit that was "
    f"laid on itself rigidly. {LABELS}: T1- and FLAIR-like images drawn from label maps, with their own known motion. "
    "The error is how far a point of the tissue ends from itself when it goes to the moving image by the registration "
    "and back by the known motion. Intervals draw the pairs anew; as they come from few heads, they say how sure the "
    "figures are of these heads, not of others. What the model was trained on is on its card."
)


def ordinary(run: Run) -> tuple[list[Row], Section]:
    """(a row a pair and kind with the columns of `indicators`, of which shuffled pairs have those that compare maps;
    the page's part)."""
    rows: list[Row] = []
    before: tuple[Pair, Observation] | None = None
    for number, pair in enumerate(run.each("Ordinary pairs", run.pairs)):
        observation = observe(run.network, pair)
        rows.append(_row(run, pair, ORDINARY, observation))
        one = pair.of_one_modality()
        rows.append(_row(run, one, ONE_MODALITY, observe(run.network, one)))
        if number < len(run.subset):
            same = pair.identical()
            rows.append(_row(run, same, IDENTICAL, observe(run.network, same)))
        if before:
            rows.append(
                _names(pair, SHUFFLED) | {"error_before_mm": float("nan")} | _shuffled(run, pair, observation, *before)
            )
        before = pair, observation
    columns = list(rows[0])
    rows = [{name: row.get(name, float("nan")) for name in columns} for row in rows]
    run.write_table("pairs", rows)
    return rows, section(run, [row for row in rows if row["kind"] == ORDINARY])


def section(run: Run, rows: list[Row]) -> Section:
    table = []
    for source in dict.fromkeys(column(rows, "source")):
        row: Row = {"source": source, "pairs": len(column(rows, "pair", source=source))}
        for name in ("error_before_mm", "error_mm", "moved_mm"):
            row |= estimate(rows, name, source=source).columns(name)
        table.append(row)
    return Section("The pairs", TEXT, {}, {run.write_table("pairs-summary", table): "Mean over the pairs."})


def _row(run: Run, pair: Pair, kind: str, observation: Observation) -> Row:
    largest = max(float(m.abs().max()) for maps in observation.maps.values() for m in maps.values())
    start = {"error_before_mm": pair.mean_mm(pair.undo), "largest_map": largest}
    return _names(pair, kind) | start | indicators(run.network, pair, observation)


def _names(pair: Pair, kind: str) -> Row:
    return {"pair": pair.name, "source": pair.source, "kind": kind}


def _shuffled(run: Run, pair: Pair, observation: Observation, other: Pair, others: Observation) -> dict[str, float]:
    row: dict[str, float] = {}
    inside = pair.inside * crop_or_pad(other.inside, pair.inside)
    half = observation.half * crop_or_pad(others.half, observation.half)
    for method in METHODS:
        t1, flair = by_modality(pair, observation, method)["T1"], by_modality(other, others, method)["FLAIR"]
        row |= compare_streams(method, t1, crop_or_pad(flair, t1), inside)
        forward, backward = observation.maps[method][TRANSFORMATION[0]], others.maps[method][TRANSFORMATION[1]]
        row |= compare_directions(method, forward, crop_or_pad(backward, forward), half)
    modality = pair.modalities[0]
    same = other.fixed if other.modalities[0] == modality else other.moving
    _, divergences = discriminator_map(run.network, modality, pair.fixed, pair.inside)
    _, other_divergences = discriminator_map(run.network, modality, same, other.inside)
    return row | {
        f"divergence_{m}": divergence(divergences[m], crop_or_pad(other_divergences[m], divergences[m]), inside)
        for m in METHODS
    }


def crop_or_pad(values: Tensor, like: Tensor) -> Tensor:
    """(D, H, W) `values` cropped or padded with 0 to the shape of `like` about the centre: canvases fit their head."""
    lacking = [(want - have) // 2 for want, have in zip(like.shape, values.shape, strict=True)]
    return F.pad(values, [n for n in reversed(lacking) for _ in range(2)])


def by_modality(pair: Pair, observation: Observation, method: str) -> dict[str, Tensor]:
    """G's map of each modality's stream, on the fixed image."""
    return dict(zip(pair.modalities, encoder_maps_on_fixed(observation, method), strict=True))
