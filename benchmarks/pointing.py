"""Does the map of a component's coordinate point at a known local change?

    python benchmarks/pointing.py ../shared/data/hippocampus [--model hippocampus] [--cases 10] [--places 10]

A smooth bump (Gaussian, standard deviation 4 mm, 3–5 mm high, any direction) at a random place of the segmentation
deforms a training case (number ≤ 310), as the only difference between two volumes. Counted over places and leading
components: how often the largest change of the map lies within one latent cell of the bump's centre ("hit";
"strongest": for the component that the bump changes most); and the correlation, over the places, of the change that the
map shows within 12 mm with the coordinate's true change ("tells its size", mean of the components).
Rows: `contributions`, as shipped; Grad-CAM with the spatial mean of the gradients; and, as the score of a blind guess,
a random voxel of the segmentation.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor
from tqdm import tqdm

from regexplain.cards import registry
from regexplain.torch_backend.attribution.coordinate_maps import contributions, distribute
from regexplain.torch_backend.inference.model import Model
from regexplain.torch_backend.spatial.warp import warp
from regexplain.volumes.case_files import numbered_cases

COMPONENTS, LAST_TRAINING_CASE = 8, 310
BUMP_SD_MM, BUMP_MM, NEAR_MM = 4.0, (3.0, 5.0), 12.0
METHODS = ("cell by cell (shipped)", "Grad-CAM", "blind guess")


@dataclass
class Pointed:
    """Of one bump and component, by method: how far from it the map's largest change lies, and what changes near it."""

    distance_mm: dict[str, float]
    near: dict[str, float]
    change: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="hippocampus")
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--places", type=int, default=10, help="of each case")
    arguments = parser.parse_args()
    model = Model.load(registry.find_card(arguments.model), "cpu", threads=1)
    files = numbered_cases(arguments.data / "images", arguments.data / "labels", 1, LAST_TRAINING_CASE)
    random = np.random.default_rng(0)
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, arguments.cases).round().astype(int)]
    places = [bump for case in tqdm(chosen, disable=None) for bump in pointed(model, *case, arguments.places, random)]
    print(table(places, cell_mm(model)))


def table(places: list[list[Pointed]], cell: float) -> str:
    """places: a list a bump, an entry a component."""
    change = np.array([[p.change for p in bump] for bump in places])
    strongest = np.abs(change).argmax(1)
    lines = [f"{change.size} maps of {len(places)} bumps, within {cell:g} mm\n"]
    lines += ["| map | hit | hit, strongest | median distance | tells its size |", "|---|---|---|---|---|"]
    for method in METHODS:
        distance = np.array([[p.distance_mm[method] for p in bump] for bump in places])
        hit = distance <= cell
        near = np.array([[p.near.get(method, np.nan) for p in bump] for bump in places])
        tells = np.mean([np.corrcoef(near[:, j], change[:, j])[0, 1] for j in range(near.shape[1])])
        lines.append(
            f"| {method} | {100 * hit.mean():.0f} % | {100 * hit[np.arange(len(hit)), strongest].mean():.0f} % | "
            f"{np.median(distance):.1f} mm | {'' if np.isnan(tells) else f'r = {tells:.2f}'} |"
        )
    return "\n".join(lines)


@torch.inference_mode()
def pointed(model: Model, image_file: Path, labels_file: Path, count: int, random) -> list[list[Pointed]]:
    image, labels = sitk.ReadImage(str(image_file)), sitk.ReadImage(str(labels_file))
    labels.CopyInformation(image)
    canvas = model.canvas(image)
    volume, spacing = model.volume(image, canvas), np.array(canvas.spacing)
    inside = np.argwhere(sitk.GetArrayFromImage(canvas.resample(labels, nearest=True)) > 0)[:, ::-1]  # x, y, z
    points = np.stack(np.meshgrid(*map(np.arange, volume.shape[2:]), indexing="ij")[::-1], -1) * spacing
    before = model.network.encode(volume)
    bumps = []
    for place in inside[random.integers(len(inside), size=count)] * spacing:
        offsets = np.linalg.norm(points - place, axis=-1)
        after = model.network.encode(warp(volume, bump(offsets, spacing, random)))
        guess = inside[random.integers(len(inside))] * spacing
        bumps.append([of_component(model, before, after, j, points, offsets, place, guess) for j in range(COMPONENTS)])
    return bumps


def of_component(model: Model, before: Tensor, after: Tensor, index: int, points, offsets, place, guess) -> Pointed:
    pairs = [(contributions(e, model.components, index), grad_cam(e, model, index)) for e in (before, after)]
    near, distance = {}, {METHODS[2]: float(np.linalg.norm(guess - place))}
    for method, first, second in zip(METHODS, *pairs, strict=False):
        change = distribute(second - first, offsets.shape).numpy()
        peak = np.unravel_index(np.abs(change).argmax(), change.shape)
        distance[method] = float(np.linalg.norm(points[peak] - place))
        near[method] = float(change[offsets <= NEAR_MM].sum())
    return Pointed(distance, near, float(pairs[1][0].sum() - pairs[0][0].sum()))


def grad_cam(latent: Tensor, model: Model, index: int) -> Tensor:
    """(d, h, w): Σ over channels of the spatial mean of ∂a/∂E, which is u / sd, times E − mean."""
    known = model.components
    mean, row = (torch.from_numpy(v).to(latent).view(latent.shape) for v in (known.mean, known.basis[index]))
    return (row.mean((2, 3, 4), keepdim=True) * (latent - mean)).sum((0, 1)) / float(known.sd[index])


def bump(offsets_mm: np.ndarray, spacing: np.ndarray, random) -> Tensor:
    """(1, 3, D, H, W), canvas voxels."""
    direction = random.normal(size=3)
    height = direction / np.linalg.norm(direction) * random.uniform(*BUMP_MM) / spacing
    field = np.exp(-(offsets_mm**2) / (2 * BUMP_SD_MM**2))[..., None] * height
    return torch.from_numpy(np.moveaxis(field, -1, 0)[None]).float()


def cell_mm(model: Model) -> float:
    return float(max(model.card.canvas_spacing)) * 2 ** len(model.network.decoder.refine)


if __name__ == "__main__":
    main()
