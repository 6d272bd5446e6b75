"""Train the estimator of the error map on the cases of error_map_cases.py, calibrate it, and write it with its card.

    .venv/bin/python benchmarks/error_map_training.py build/error-map/cases --output build/error-map/estimator

The weights of the training subjects' cases; the bound's factors from the calibration subjects' (README.md beside this
file). What ships lies in RegExplain/regexplain/estimators/error-map.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save_file

from error_map_engines import UNSEEN
from error_map_subjects import SPLIT
from measuring import processor, use_one_thread
from regexplain.cards.quantization import quantize
from regexplain.cards.registry import CARD, WEIGHTS, sha256
from regexplain.torch_backend.error_map.estimator import Estimator
from regexplain.torch_backend.networks.error import ErrorNetwork
from regexplain.torch_backend.networks.weights import load_weights
from regexplain.torch_backend.training.error_map.cases import FeatureCase
from regexplain.torch_backend.training.error_map.trainer import calibrate_bound, family, predict, train_network

OPTIONS: dict[str, Any] = {"reaches": [1, 3], "widths": [64, 32]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calibrate", type=Path, metavar="ESTIMATOR", help="keep its weights, calibrate them anew")
    arguments = parser.parse_args()
    use_one_thread()
    if arguments.calibrate:
        recalibrate(arguments.calibrate, arguments.cases, arguments.output)
        return
    train, held_out = (feature_cases(arguments.cases, part) for part in ("train", "calibrate"))
    print(f"{len(train)} cases to train, {len(held_out)} to calibrate", flush=True)
    network = train_network(train, arguments.steps, seed=arguments.seed, validation=held_out, log=log, **OPTIONS)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_weights(network, arguments.output / WEIGHTS)
    load_weights(network, arguments.output / WEIGHTS)  # what is calibrated is what ships, in 8 bits
    write_card(arguments, network, len(train), len(held_out), calibration_of(network, held_out))


def calibration_of(network: ErrorNetwork, held_out: list[FeatureCase]) -> dict[str, list[float]]:
    calibration = calibrate_bound(
        [predict(network, c) for c in held_out], [family(c.about["engine"]) for c in held_out]
    )
    return {name: [round(v, 5) for v in values] for name, values in calibration.items()}


def recalibrate(estimator: Path, cases: Path, output: Path) -> None:
    """Its card with another calibration, the weights as they are."""
    held_out, shipped = feature_cases(cases, "calibrate"), Estimator.load(estimator)
    card = shipped.card | {"version": f"{shipped.card['version'].split('.')[0]}.1"}
    card["calibration"] = calibration_of(shipped.network, held_out)
    card["training"] = card["training"] | {"calibrated_on": SPLIT["calibrate"], "tested_on": SPLIT["test"]}
    card["training"]["engines_unseen"] = list(UNSEEN)
    card["training"]["cases"] = card["training"]["cases"] | {"calibrate": len(held_out)}
    output.mkdir(parents=True, exist_ok=True)
    if output.resolve() != estimator.resolve():
        shutil.copyfile(estimator / WEIGHTS, output / WEIGHTS)
    (output / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def log(text: str) -> None:
    print(text, flush=True)


def feature_cases(folder: Path, part: str) -> list[FeatureCase]:
    return [case for case in map(FeatureCase.read, sorted(folder.glob(f"{part}_*.npz"))) if case.mask.sum() > 100]


def write_weights(network: ErrorNetwork, path: Path) -> None:
    save_file(quantize({name: values.numpy() for name, values in network.state_dict().items()}), str(path))


def write_card(
    arguments: argparse.Namespace, network: ErrorNetwork, trained_on: int, calibrated_on: int, calibration
) -> None:
    card = {
        "card_version": 1,
        "name": "error-map",
        "title": "How many mm a registration is wrong, in each cell of 4 mm, whatever made it",
        "version": "1",
        "intended_use": "To show where a registration of two images of one head should be looked at again. Research.",
        "limits": "Not a medical device. It learnt from T1, T2 and FLAIR images of heads and from made contrasts "
        "of heads, moved by known smooth warps; it cannot tell errors in flat tissue, and sees none that leaves them "
        "as alike as they were. docs/trust.md has what was measured, and for which images its bounds do not hold.",
        "data": "SynthSeg's training label maps (Billot et al. 2023, Apache-2.0); Lesjak et al. 2016 and 2017 (CC-BY)",
        "licence": "CC BY 4.0",
        "network": OPTIONS,
        "calibration": calibration,
        "training": {
            "subjects": SPLIT["train"],
            "calibrated_on": SPLIT["calibrate"],
            "tested_on": SPLIT["test"],
            "engines_unseen": list(UNSEEN),
            "cases": {"train": trained_on, "calibrate": calibrated_on},
            "steps": arguments.steps,
            "seed": arguments.seed,
            "machine": f"one thread of {processor()}, torch {torch.__version__}",
            "command": "benchmarks/error_map_cases.py, then benchmarks/error_map_training.py",
        },
        "parameters": sum(p.numel() for p in network.parameters()),
        "files": {WEIGHTS: sha256(arguments.output / WEIGHTS)},
    }
    (arguments.output / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
