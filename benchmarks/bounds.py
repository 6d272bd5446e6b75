"""What bounds the Dice of the hippocampus models, measured on the training cases that were held out.

    python benchmarks/bounds.py ../shared/data/hippocampus [--model hippocampus-skip] [--steps 100]

How well a network registers, how well it knows each case's segments by itself (told), and what a field like its own
reaches when it is given the true segments. Boundaries that are told with independent errors cannot be laid on each
other better than the two errors together allow.
"""

from __future__ import annotations

import argparse
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


def held_out(model: str, data: Path) -> list[Case]:
    config = LatentConfig.read(CONFIGS / f"{model}.json")
    config.data.images, config.data.segmentations = (str((data / part).resolve()) for part in ("images", "labels"))
    return split(config)[1]


def predicted_segments_dice(network, case: Case) -> float:
    """Dice of the network's own segmentation of one volume."""
    segments = network.segmentation_logits(network.encoder(case.volume[None])).sigmoid()
    return hard_dice(resize(segments, case.segments.shape[1:])[0], case.segments)


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
    rows: dict[str, list[float]] = {"told": [predicted_segments_dice(network, case) for case in cases]}
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
    network = Model.load(registry.find_card(options.model), "cpu", 1).network
    for name, values in measured(network, held_out(options.model, options.data), options.steps).items():
        print(f"| {name} | {np.mean(values):.3f} ± {np.std(values):.3f} |", flush=True)


if __name__ == "__main__":
    main()
