"""What each choice in training is worth: short runs of the shipped configuration with one thing changed.

    python benchmarks/ablations.py OUTPUT [--steps 500] [--network hippocampus|hippocampus-skip] [--only NAME ...]

Every run is complete (warm-up, cosine to zero) and short, so the figures compare choices and say nothing about where
long training would end. Dice is that of the training cases held out. Runs that are there already are not repeated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import regexplain
from regexplain.progress import TerminalProgress
from regexplain.torch_backend.training import curves
from regexplain.torch_backend.training.latent.config import LatentConfig
from regexplain.torch_backend.training.latent.task import LatentTask
from regexplain.torch_backend.training.trainer import Trainer

CONFIGS = Path(regexplain.__file__).parent / "configs"
LIGHT = {"log_reach": 0.0, "bending_vox": 0.0, "log_gamma": 0.15, "log_bias": 0.0, "noise": 0.0}
VARIANTS: dict[str, dict[str, dict]] = {
    "as shipped": {},
    "no normalisation in the encoder": {"network": {"normalised": False}},
    "no read-out of segments": {"losses": {"read_out": 0.0}},
    "no price on the latent": {"losses": {"latent": 0.0}},
    "gradients and cumulative sum (the paper's)": {"network": {"transformation": "gradient"}},
    "one residual block a level": {"network": {"blocks": []}},
    "light augmentation": {"augmentation": LIGHT},
    "float32": {"": {"precision": "float32"}},
}


def varied(network: str, changes: dict[str, dict], steps: int, output: Path) -> LatentConfig:
    config = LatentConfig.read(CONFIGS / f"{network}.json")
    for part, values in changes.items():
        if part == "network":
            config.network |= values
        else:
            vars(getattr(config, part) if part else config).update(values)
    config.steps, config.output = steps, str(output.resolve())
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--network", default="hippocampus")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| {options.network}, {options.steps} steps | held-out Dice | seconds a step |\n|---|---|---|")
    for name in options.only:
        folder = options.output / f"{options.network} {name}"
        Trainer(LatentTask(varied(options.network, VARIANTS[name], options.steps, folder)), TerminalProgress()).run()
        rows = curves.read(folder)
        seconds = sorted(row["seconds"] for row in rows)[len(rows) // 2]
        print(f"| {name} | {rows[-1]['held_out_dice']:.3f} | {seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
