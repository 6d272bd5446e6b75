"""Frames a second of the live latent slider on one processor core, and how far they are from the network's own answer.

    python benchmarks/live_decoder.py [--model hippocampus] [--frames 30]

A frame is: coordinates → displacement on the canvas → a segmentation of the whole canvas warped by it. Rows: the
model's own canvas and one of 64³ (the network is fully convolutional; its components are interpolated onto the larger
latent grid). "plain" is the ordinary decoding, without any warping, in the same run. Processor time is given beside
wall time because other programs slow the latter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from regexplain.cards import registry
from regexplain.latent.components import LatentComponents
from regexplain.torch_backend.inference.live import PRECISIONS, LiveDecoder
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.spatial.warp import resize

COMPONENTS, REACH = 8, 2.0  # what the slider of the panel plays with: coordinates within ± so many standard deviations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="hippocampus")
    parser.add_argument("--frames", type=int, default=30)
    arguments = parser.parse_args()
    own = Model.load(registry.find_card(arguments.model), "cpu", threads=1)
    print(f"{own.card.name}, torch {torch.__version__}, one thread, {arguments.frames} frames, median of each time\n")
    print("| canvas | precision | frames/s | a processor second | plain decoding | share of it | error mean | max |")
    print("|---|---|---|---|---|---|---|---|")
    for model in (own, on_canvas(own, (64, 64, 64))):
        for precision in PRECISIONS:
            print(row(model, LiveDecoder(model, precision=precision), arguments.frames), flush=True)
        chosen = LiveDecoder(model).precision
        print(f"| {size(model)} | chosen here: {name(chosen)} | | | | | | |", flush=True)


def row(model: Model, live: LiveDecoder, frames: int) -> str:
    random = np.random.default_rng(0)
    coordinates = random.uniform(-REACH, REACH, (frames, COMPONENTS)).tolist()
    segmentation = torch.from_numpy(random.integers(0, 3, live.shape, np.uint8))
    wall, processor = times(lambda c: live.warped(segmentation, c), coordinates)
    _, plain = times(lambda c: decoded(model, live, c), coordinates)
    error = torch.stack([(live.displacement(c) - decoded(model, live, c)).norm(dim=1) for c in coordinates])
    error = error * max(model.card.canvas_spacing)
    return (
        f"| {size(model)} | {name(live.precision)} | {1 / wall:.1f} | {1 / processor:.1f} | {1000 * plain:.0f} ms | "
        f"{processor / plain:.2f} | {error.mean():.4f} mm | {error.max():.3f} mm |"
    )


@torch.inference_mode()
def decoded(model: Model, live: LiveDecoder, coordinates: list[float]) -> torch.Tensor:
    """The ordinary way: D(z) in float32, both directions."""
    components = model.components
    z = sum(components.direction(index, strength) for index, strength in enumerate(coordinates))
    grid = [n >> len(model.network.decoder.refine) for n in live.shape]
    return model.network.decode(torch.from_numpy(z).float().view(1, -1, *grid), live.shape).displacement


def times(frame: Callable[[list[float]], object], coordinates: list[list[float]]) -> tuple[float, float]:
    """Median seconds of wall and of processor time, the first frame left out."""
    measured = []
    for c in coordinates:
        began = time.perf_counter(), time.thread_time()
        frame(c)
        measured.append((time.perf_counter() - began[0], time.thread_time() - began[1]))
    wall, processor = np.median(measured[1:], axis=0)
    return float(wall), float(processor)


def on_canvas(model: Model, canvas: tuple[int, int, int]) -> Model:
    """The same network on a canvas of another size (x, y, z), its components spread over the other latent grid."""
    cell = 2 ** len(model.network.decoder.refine)
    old, new = ([n // cell for n in reversed(s)] for s in (model.card.canvas_size, canvas))
    known = model.components
    basis = torch.from_numpy(known.basis).float().unflatten(1, (-1, *old))
    values = model.card.values | {"canvas": model.card.values["canvas"] | {"size": list(canvas)}}
    other = Model(replace(model.card, values=values), model.network, model.device)
    other.components = LatentComponents(
        resize(basis, new).flatten(1).double().numpy(), np.zeros(0), known.sd, known.explained_variance
    )
    return other


def size(model: Model) -> str:
    return " × ".join(map(str, model.card.canvas_size))


def name(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")


if __name__ == "__main__":
    main()
