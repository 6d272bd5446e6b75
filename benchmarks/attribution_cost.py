"""What a heatmap costs: time in forward passes of the same run, and memory.

    python benchmarks/attribution_cost.py [--model hippocampus] [--methods grad-cam,hirescam] [--repeats 5]

Rows: each method with all its stages in one call, and each stage alone. "a map" divides by the number of maps; the
limit of the project is 2 forward passes a map. Processor time, as other programs slow the wall clock; the median of the
repeats, which take turns with the forward pass. Memory: what torch keeps for the backward pass, whatever its share that
a call then uses; a method without gradients keeps nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from regexplain.cards import registry
from regexplain.torch_backend.attribution.attribution import IMAGES
from regexplain.torch_backend.attribution.methods import attribution_method
from regexplain.torch_backend.attribution.target import Target, motion_target
from regexplain.torch_backend.inference.model import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="hippocampus")
    parser.add_argument("--methods", default="grad-cam,hirescam,integrated-gradients")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    model = Model.load(registry.find_card(arguments.model), "cpu", threads=1)
    target = example(model)
    size = " × ".join(map(str, model.card.canvas_size))
    print(f"{model.card.name}, {size}, torch {torch.__version__}, one thread, median of {arguments.repeats}\n")
    print("| method | stages | forward | with maps | in forward passes | a map | kept for backward |")
    print("|---|---|---|---|---|---|---|")
    for method in arguments.methods.split(","):
        known = list(target.grids) if method in ("grad-cam", "hirescam") else list(IMAGES)
        for stages in ([known, *([stage] for stage in known)]) if known[0] not in IMAGES else [known]:
            print(row(target, method, stages, arguments.repeats), flush=True)


def example(model: Model) -> Target:
    """Time does not depend on what the volumes show, as long as they differ."""
    shape = list(reversed(model.card.canvas_size))
    fixed, moving = torch.rand(2, 1, 1, *shape, generator=torch.Generator().manual_seed(0))
    return motion_target(model.network, fixed, moving, "magnitude", torch.ones(shape), model.card.canvas_spacing)


def row(target: Target, method: str, stages: list[str], repeats: int) -> str:
    measured = []
    for _ in range(repeats + 1):
        measured.append((seconds(lambda: forward(target)), seconds(lambda: maps(target, method, stages))))
    plain, explained = np.median(measured[1:], axis=0)
    passes = explained / plain
    return (
        f"| {method} | {', '.join(stages)} | {plain:.2f} s | {explained:.2f} s | {passes:.1f} | "
        f"{passes / len(stages):.1f} | {kept(lambda: maps(target, method, stages)) / 2**20:.0f} MiB |"
    )


@torch.inference_mode()
def forward(target: Target) -> None:
    target.forward(target.fixed, target.moving)


def maps(target: Target, method: str, stages: list[str]) -> None:
    attribution_method(method).maps(target, stages)


def seconds(work: Callable[[], None]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def kept(work: Callable[[], None]) -> int:
    """Bytes of the distinct tensors that are alive for a backward pass at once, at most."""
    alive: dict[int, tuple[int, int]] = {}
    peak = 0

    class Kept:
        def __init__(self, tensor: torch.Tensor):
            nonlocal peak
            storage = tensor.untyped_storage()
            self.tensor, self.key = tensor, storage.data_ptr()
            size, users = alive.get(self.key, (storage.nbytes(), 0))
            alive[self.key] = size, users + 1
            peak = max(peak, sum(size for size, _ in alive.values()))

        def __del__(self):
            size, users = alive.pop(self.key)
            if users > 1:
                alive[self.key] = size, users - 1

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda held: held.tensor):
        work()
    return peak


if __name__ == "__main__":
    main()
