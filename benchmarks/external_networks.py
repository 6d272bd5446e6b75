"""Small networks of other frameworks, trained for minutes, imported, checked, and used on the sample pair.

    python benchmarks/external_networks.py train FOLDER [--steps 400] [--only voxelmorph …]
    python benchmarks/external_networks.py use FOLDER
    python benchmarks/external_networks.py unigradicon FOLDER

`train` writes the weights as their frameworks save them (.pth) and a card without files beside each; the networks learn
to find smooth known motions of either sample scan. `use` imports each with its self-check into FOLDER/home, registers
and explains the sample pair, and prints the table of docs/external-networks.md; the results lie in FOLDER/results.
`unigradicon` asks uniGradICON's network, with random weights, once at its own canvas: seconds and the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import SimpleITK as sitk
import torch
from torch import Tensor

import regexplain
from regexplain.cards import external
from regexplain.torch_backend.external.construction import construct
from regexplain.torch_backend.external.convention import Convention
from regexplain.torch_backend.external.drafts import draft, icon_steps
from regexplain.torch_backend.external.importing import import_model, peak_bytes
from regexplain.torch_backend.external.network import ExternalNetwork
from regexplain.torch_backend.external.synthetic_volume import synthetic_volume
from regexplain.torch_backend.spatial.transformation import exponentiate_velocity
from regexplain.torch_backend.spatial.warp import resize, warp
from regexplain.volumes.geometry import canvas_around
from regexplain.volumes.intensities import min_max, network_input

SAMPLES = Path(__file__).resolve().parents[1] / "RegExplain" / "Resources" / "SampleData"
SIZE, SPACING = [16, 16, 16], [3.0, 3.0, 3.0]
BATCH, RATE, SHIFT, BEND = 8, 3e-3, 1.5, 0.3  # of Adam, going to 0; of the motions, in voxels
LOCALNET = {
    "spatial_dims": 3,
    "in_channels": 2,
    "num_channel_initial": 4,
    "extract_levels": [0, 1, 2],
    "out_channels": 3,
}
BACKBONE = {
    "class": "monai.networks.nets.VoxelMorphUNet",
    "options": {
        "spatial_dims": 3,
        "in_channels": 2,
        "unet_out_channels": 16,
        "channels": [8, 16, 16, 16],
        "final_conv_channels": [8],
    },
}
NETWORKS = {
    "voxelmorph": {
        "class": "voxelmorph.nn.models.VxmPairwise",
        "options": {
            "ndim": 3,
            "source_channels": 1,
            "target_channels": 1,
            "nb_features": [8, 16, 16],
            "activations": "leaky_relu",
            "flow_initializer": 0.1,
        },
    },
    "monai-localnet": {"class": "monai.networks.nets.LocalNet", "options": LOCALNET, "call": "concatenated"},
    "monai-voxelmorph": {"class": "monai.networks.nets.VoxelMorph", "options": {"backbone": BACKBONE}},
    "icon": icon_steps([[2, 8, 16], [8, 8]]) | {"call": "icon", "gives": "coordinates", "units": "unit"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "use", "unigradicon"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if arguments.what == "unigradicon":
        print(asked_once())
        return
    for name in arguments.only:
        if arguments.what == "train":
            train(name, arguments.folder, arguments.steps)
        else:
            print(used(name, arguments.folder))


def asked_once() -> str:
    """Of uniGradICON's network, asked for one direction."""
    card = draft("unigradicon", Path(__file__)).values  # its weights are not read
    network = construct(card["network"]).eval().requires_grad_(False)
    asked = ExternalNetwork(network, Convention.of(external.convention(card["network"])), {}, "unigradicon")
    size = card["canvas"]["size"]
    volumes = [synthetic_volume(size, seed) for seed in (0, 1)]
    before, began, used = peak_bytes(), time.perf_counter(), time.process_time()
    with torch.inference_mode():
        asked.displacement(*volumes)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return (
        f"{parameters / 1e6:.1f} million parameters, {time.process_time() - used:.0f} s of processor time, "
        f"{time.perf_counter() - began:.0f} s by the clock, {(peak_bytes() or 0) / 1e9:.1f} GB at most "
        f"({(before or 0) / 1e9:.1f} GB before)"
    )


def train(name: str, folder: Path, steps: int) -> None:
    """By the mean squared error of the displacement, brighter tissue counting for more."""
    torch.manual_seed(0)
    foreign = construct(NETWORKS[name])
    network = ExternalNetwork(foreign, Convention.of(external.convention(NETWORKS[name])), {}, name).train()
    optimiser = torch.optim.Adam(foreign.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, steps)
    volumes, began = [sample(role) for role in ("fixed", "moving")], time.perf_counter()
    for step in range(steps):
        fixed = volumes[step % 2].expand(BATCH, -1, -1, -1, -1)
        there, back = motion()
        moving = warp(fixed, back, padding="zeros")
        error = (network.displacement(fixed, moving) - there).square().sum(1, keepdim=True)
        loss = (error * (fixed + 0.1)).mean() / (fixed + 0.1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"{name} {step} {float(loss.detach()):.3f} {time.perf_counter() - began:.0f} s", flush=True)
    torch.save(foreign.state_dict(), folder / f"{name}.pth")
    card = {
        "name": name,
        "title": f"A small network of {name.partition('-')[0]}",
        "intended_use": "Showing what RegExplain does with a network of another framework; it registers nothing well.",
        "network": NETWORKS[name],
        "canvas": {"size": SIZE, "spacing_mm": SPACING},
        "alignment": "centre",
        "weights": f"{name}.pth",
    }
    (folder / f"{name}.json").write_text(json.dumps(card, indent=2))


def motion() -> tuple[Tensor, Tensor]:
    """Smooth motions and their inverses, (BATCH, 3, D, H, W) voxels."""
    shift = (torch.rand(BATCH, 3, 1, 1, 1) * 2 - 1) * SHIFT
    velocity = shift + resize(torch.randn(BATCH, 3, 4, 4, 4) * BEND, SIZE[::-1])
    return exponentiate_velocity(velocity)


def sample(role: str) -> Tensor:
    image = sitk.ReadImage(str(SAMPLES / f"{role}.nii.gz"))
    return torch.from_numpy(network_input(image, canvas_around(image, SIZE, SPACING), scaling=min_max))[None, None]


def used(name: str, folder: Path) -> str:
    """One row: what the check found, Dice before and after, inverse consistency, seconds."""
    os.environ["REGEXPLAIN_HOME"] = str(folder / "home")
    pair = {role: sitk.ReadImage(str(SAMPLES / f"{role}.nii.gz")) for role in ("fixed", "moving")}
    labels = {f"{r}_segmentation": sitk.ReadImage(str(SAMPLES / f"{r}_segmentation.nii.gz")) for r in pair}
    card, found = import_model(draft("card", folder / f"{name}.json"), True, pair["fixed"], "cpu", replace=True)
    began = time.perf_counter()
    result = regexplain.register(*pair.values(), card.name, **labels, device="cpu", threads=1)
    seconds = time.perf_counter() - began
    result.save(folder / "results" / name, overwrite=True)
    assert found is not None
    share = 1 - found.card_error
    record = result.record
    dice = record["dice"]
    consistency = record["inverse_consistency_mm"]["mean"]
    return (
        f"| {name} | {100 * share:.0f} % | {dice['aligned']:.3f} → {dice['after']:.3f} | "
        f"{record['displacement_mm']['mean']:.2f} | {consistency:.2f} | {seconds:.1f} |"
    )


if __name__ == "__main__":
    main()
