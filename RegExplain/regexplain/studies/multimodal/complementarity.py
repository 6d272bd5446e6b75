"""Claim 1: do G's maps of T1 and FLAIR complement each other, and what does each part of G contribute?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from ...torch_backend.networks.fire import DESCRIPTORS, FireNetwork, without_descriptors
from ..charts import intervals
from ..measures import TOP, Estimate
from ..sections import Row, Section
from .observations import ENCODER, METHODS, map_correlations, observe
from .ordinary import ONE_MODALITY, ORDINARY, SHUFFLED
from .randomisation import CASCADE
from .run import Run, column, difference, estimate

KINDS = {ORDINARY: "T1 and FLAIR", ONE_MODALITY: "one modality", SHUFFLED: "shuffled pairs"}
GROUPS = 4
SELF_SIMILARITY = "self-similarity"
TEXT = (
    "Correlation and Dice of the top fifths of the sizes |map| of G's two maps (mean displacement over the "
    "tissue), moving's carried to fixed by T's answer, in the fixed image's tissue. Sizes, as T is antisymmetric "
    "in the two images: streams that say the same have maps of opposite signs, and a signed correlation of −1. "
    "Complementary means that T1's stream says something else than FLAIR's: that they agree less than the two "
    "streams of one modality with the same motion between them. Top fifths of unrelated maps have a Dice of "
    f"{TOP:g}. Beside it the streams of two pairs, and of weights made random layer by layer. The identical pair "
    "has no maps: they are 0 (largest_map in the table of pairs)."
)
ABLATION = (
    "A level is off when its features, on the way up and to T, are 0 and all else stays; a group is a quarter of the "
    "channels that G has learnt for its finest features; self-similarity is what G hands on to T at every level beside "
    "the learnt features, for T alone (G itself goes on seeing it). Kept is the correlation of G's maps with what they "
    "were, mean of both streams."
)


def complementarity(run: Run, rows: list[Row], random: list[Row]) -> tuple[list[Row], Section]:
    table, groups = [], {}
    for method in METHODS:
        of_method = []
        for name, measured in _cases(rows, random, method).items():
            table.append(
                {
                    "method": method,
                    "maps": name,
                    **measured[0].columns("correlation_of_sizes"),
                    **measured[1].columns("top_fifth_dice"),
                    **measured[2].columns("signed_correlation"),
                    "pairs": measured[0].pairs,
                }
            )
            of_method.append(measured[0][:3])
        groups[method] = of_method
    names = list(_cases(rows, random, next(iter(METHODS))))
    figure = intervals(groups, names, "correlation of the sizes of the T1 and the FLAIR map")
    return table, Section(
        "1. Complementarity: G's maps of T1 and FLAIR",
        TEXT,
        {run.save_figure("complementarity", figure): "Mean over the pairs with its 95 % interval."},
        {run.write_table("complementarity", table): "The same in numbers."},
    )


def _cases(rows: list[Row], random: list[Row], method: str) -> dict[str, list[Estimate]]:
    names = [f"{name}_{method}" for name in ("complementarity", "top_overlap", "streams_signed")]
    found = {title: [estimate(rows, n, kind=kind) for n in names] for kind, title in KINDS.items()}
    found |= {f"random: {step}": [estimate(random, n, step=step) for n in names] for step in list(CASCADE)[:-1]}
    return found


def gain_over_one_modality(rows: list[Row], column_name: str) -> Estimate:
    """How much more the streams of one modality agree than those of T1 and FLAIR, over the same pairs."""
    return difference(rows, column_name, {"kind": ONE_MODALITY}, {"kind": ORDINARY})


def ablation(run: Run) -> tuple[list[Row], Section]:
    """A row a pair and part of G that is switched off."""
    rows: list[Row] = []
    for pair in run.each("Switching parts of G off", run.subset):
        before = observe(run.network, pair)
        error = pair.error_mm(before.output.displacement)
        for part in encoder_parts(run.network):
            with switched_off(run.network, part):
                found = observe(run.network, pair)
            worse = pair.error_mm(found.output.displacement) - error
            rows.append(
                {"pair": pair.name, "off": part, "error_more_mm": worse}
                | map_correlations(before, found, pair, ENCODER)
            )
    run.write_table("ablation-pairs", rows)
    names = encoder_parts(run.network)
    table = [
        {
            "off": part,
            **estimate(rows, "error_more_mm", off=part).columns("error_more_mm"),
            **{k: v for m in METHODS for k, v in estimate(rows, f"kept_{m}", off=part).columns(f"kept_{m}").items()},
            "pairs": len(column(rows, "error_more_mm", off=part)),
        }
        for part in names
    ]
    figure = intervals(
        {"error": [estimate(rows, "error_more_mm", off=part)[:3] for part in names]},
        names,
        "error more than intact, mm",
    )
    return rows, Section(
        "1. Complementarity: parts of G switched off",
        ABLATION,
        {run.save_figure("ablation", figure): "What the registration loses, mean over the pairs with its interval."},
        {run.write_table("ablation", table): "The same in numbers, and what is kept of G's maps."},
    )


def encoder_parts(network: FireNetwork) -> list[str]:
    """Levels, the finest first, groups of channels of the finest features, and what is handed on as it is."""
    levels = [f"level {number}" for number in range(1, len(network.encoder.down) + 1)]
    return [*levels, *(f"channels {number} of {GROUPS}" for number in range(1, GROUPS + 1)), SELF_SIMILARITY]


@contextmanager
def switched_off(network: FireNetwork, part: str) -> Iterator[None]:
    """While it is open, G works without that part; afterwards nothing is left of it."""
    with ExitStack() as hooks:
        for hook in _hooks(network, part):
            hooks.callback(hook.remove)
        yield


def _hooks(network: FireNetwork, part: str) -> list:
    if part == SELF_SIMILARITY:
        return _self_similarity(network)
    kind, number = part.split()[0], int(part.split()[1]) - 1
    return _level(network, number) if kind == "level" else _channels(network, number)


def _self_similarity(network: FireNetwork) -> list:
    def off(module, arguments, output: list[Tensor]) -> list[Tensor]:
        return [torch.cat([without_descriptors(level), 0 * level[:, -DESCRIPTORS:]], 1) for level in output]

    return [network.encoder.register_forward_hook(off)]


def _channels(network: FireNetwork, group: int) -> list:
    def off(module, arguments, output: Tensor) -> Tensor:
        width = output.shape[1]
        recorded = output.clone()
        recorded[:, group * width // GROUPS : (group + 1) * width // GROUPS] = 0
        return recorded

    return [network.encoder.join[-1].register_forward_hook(off)]


def _level(network: FireNetwork, level: int) -> list:
    """A level's features go down to the next coarser one as they are, and upwards as 0."""
    encoder, recorded = network.encoder, {}

    def off(module, arguments, output: Tensor) -> Tensor:
        recorded["down"] = output
        return output * 0

    def down(module, arguments) -> tuple[Tensor]:
        return (recorded["down"],)

    hooks = [encoder.refine[level].register_forward_hook(off)]
    if level + 1 < len(encoder.down):
        hooks.append(encoder.down[level + 1].register_forward_pre_hook(down))
    return hooks
