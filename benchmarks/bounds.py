"""What bounds the Dice of the hippocampus models, measured on the training cases that were held out.

    python benchmarks/bounds.py ../shared/data/hippocampus [--model hippocampus-skip] [--steps 100]

How well a network predicts each case's segments by itself, of the cases trained on and held out and of the validation
cases; how well it registers; and what a field like its own reaches when it is given the true segments. Boundaries that
are predicted with independent errors cannot be laid on each other better than the two errors together allow.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import regexplain
from regexplain.cards import registry
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.inference.refinement import RefinementSettings, refine_pair
from regexplain.torch_backend.spatial.warp import resize
from regexplain.torch_backend.training.latent.cases import Case, split
from regexplain.torch_backend.training.latent.config import LatentConfig
from regexplain.torch_backend.training.latent.evaluation import hard_dice, registered_dice

CONFIGS = Path(regexplain.__file__).parent / "configs"
KNOWN = RefinementSettings(smoothness=0.1)
CERTAIN = 1e-3
FIRST_VALIDATION_CASE, LAST_CASE = 311, 999


def cases_by_use(config: LatentConfig, data: Path) -> dict[str, list[Case]]:
    """The cases trained on, held out, and of the validation."""
    images, segmentations = (str((data / part).resolve()) for part in ("images", "labels"))
    training = replace(config.data, images=images, segmentations=segmentations)
    validation = replace(training, first=FIRST_VALIDATION_CASE, last=LAST_CASE, held_out_every=0)
    trained, held_out = split(replace(config, data=training))
    return {"trained on": trained, "held out": held_out, "validation": split(replace(config, data=validation))[0]}


@torch.inference_mode()
def predicted_segments(network, cases: list[Case]) -> list[float]:
    """Dice of the network's own segmentation of each volume."""
    scores = []
    for case in cases:
        segments = network.segmentation_logits(network.encoder(case.volume[None])).sigmoid()
        scores.append(hard_dice(resize(segments, case.segments.shape[1:])[0], case.segments))
    return scores


def given_segments(network, fixed: Case, moving: Case, steps: int):
    """`refine_pair`, but with the true segments in place of the predicted ones."""
    true = torch.stack([fixed.segments, moving.segments])
    own, network.segmentation_logits = network.segmentation_logits, lambda _: torch.logit(true, CERTAIN)
    try:
        return refine_pair(network, fixed.volume[None], moving.volume[None], steps, KNOWN)
    finally:
        network.segmentation_logits = own


@torch.inference_mode()
def measured(network, cases: list[Case], steps: int) -> dict[str, list[float]]:
    rows: dict[str, list[float]] = {}
    ways = {
        "registered": lambda f, m: network(f.volume[None], m.volume[None]),
        f"refined, {steps} steps": lambda f, m: refine_pair(network, f.volume[None], m.volume[None], steps),
        f"given the true segments, {steps} steps": lambda f, m: given_segments(network, f, m, steps),
    }
    for name, register in ways.items():
        pairs = zip(cases, reversed(cases), strict=True)
        rows[name] = [registered_dice(register(fixed, moving), fixed, moving) for fixed, moving in pairs]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="hippocampus-skip")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    card = registry.find_card(options.model)
    network = Model.load(card, "cpu", 1).network
    cases = cases_by_use(LatentConfig.read(CONFIGS / f"{card.name}.json"), options.data)
    rows = {f"segments predicted, {use}": predicted_segments(network, some) for use, some in cases.items()}
    for name, values in (rows | measured(network, cases["held out"], options.steps)).items():
        print(f"| {name} | {len(values)} | {np.mean(values):.3f} ± {np.std(values):.3f} |", flush=True)


if __name__ == "__main__":
    main()
