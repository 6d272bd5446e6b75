"""A tiny model of the family of `networks/fire.py` with random weights, and heads in two contrasts to give to it."""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from equivalent_scans import reoriented, rotation, with_moved_header
from regexplain.cards.registry import CARD, WEIGHTS, sha256
from regexplain.volumes.geometry import Grid

OPTIONS = {
    "widths": [4, 6, 8],
    "modalities": ["T1", "FLAIR"],
    "segments": 2,
    "patch_widths": [4, 4, 4],
    "affine": {"widths": [4, 6], "landmarks": 24, "size": 16},
}
BRIGHTNESS = {  # brain, white matter, ventricles, lesion
    "T1": (450, 800, 120, 350),
    "FLAIR": (650, 480, 60, 1000),
}
GRIDS = {  # size and spacing in mm
    "T1": ((56, 48, 30), (1.3, 1.5, 2.6)),
    "FLAIR": ((52, 60, 22), (1.4, 1.2, 3.4)),
}
WHITE, VENTRICLES = 1, 2


def write_fire_model(folder: Path, seed: int = 11) -> Path:
    """A model folder for `--model`: a canvas of 32³ voxels of 4 mm, its velocity large enough that tissue moves."""
    import torch
    from safetensors.torch import save_file

    from regexplain.torch_backend.networks.affine import AffineNetwork
    from regexplain.torch_backend.networks.fire import FireNetwork

    torch.manual_seed(seed)
    network = FireNetwork(**OPTIONS)
    for part in network.transformation.part:
        torch.nn.init.normal_(part.weight, std=0.07)
    torch.manual_seed(seed)  # of its own, so that no change of the rest changes the landmarks
    network.affine = AffineNetwork(**OPTIONS["affine"])
    torch.nn.init.normal_(network.affine.heat.weight, std=20.0)  # landmarks well apart
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), str(folder / WEIGHTS))
    card = {
        "card_version": 1,
        "name": "tiny-t1-flair",
        "title": "Random weights, for tests",
        "network": {"type": "fire", **OPTIONS},
        "canvas": {"size": [32, 32, 32], "spacing_mm": [4.0, 4.0, 4.0], "about": "tissue"},
        "intensities": "robust",
        "alignment": "network",
        "domain": {
            "extent_mm": {"min": [40, 40, 40], "max": [320, 320, 320]},
            "spacing_mm": {"min": [0.3, 0.3, 0.3], "max": [6.5, 6.5, 6.5]},
        },
        "files": {WEIGHTS: sha256(folder / WEIGHTS)},
    }
    (folder / CARD).write_text(json.dumps(card, indent=2), encoding="utf-8")
    return folder


def write_any_contrast_model(folder: Path, seed: int = 11) -> Path:
    """The same without modalities, for any pair, on a canvas of at most 32³ voxels that fits the pair."""
    import torch
    from safetensors.torch import save_file

    from regexplain.torch_backend.networks.fire import FireNetwork

    options = {"widths": [4, 6, 8], "modalities": [], "segments": 0, "iterations": [1, 1, 1]}
    torch.manual_seed(seed)
    network = FireNetwork(**options)
    for part in network.transformation.part:
        torch.nn.init.normal_(part.weight, std=0.07)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), str(folder / WEIGHTS))
    card = {
        "card_version": 1,
        "name": "tiny-any-contrast",
        "title": "Random weights, for tests",
        "network": {"type": "fire", **options},
        "canvas": {"fits": "pair", "size": [32, 32, 32]},
        "intensities": "robust",
        "alignment": "centre",
        "domain": {"modality": "any", "least_voxels": 16},
        "files": {WEIGHTS: sha256(folder / WEIGHTS)},
    }
    (folder / CARD).write_text(json.dumps(card, indent=2), encoding="utf-8")
    return folder


def head(contrast: str, turn: float = 0.0, shift=(0.0, 0.0, 0.0)) -> tuple[sitk.Image, sitk.Image]:
    """(a 16-bit scan of an ellipsoid of a brain, its segmentation) on an oblique grid of anisotropic voxels.

    turn, shift: degrees and mm by which the head lies otherwise in its scanner.
    """
    size, spacing = GRIDS[contrast]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    centre = Grid.of(grid).centre
    grid = with_moved_header(reoriented(grid) if contrast == "T1" else grid, rotation(degrees=15), (12.0, -20.0, 31.0))
    grid.SetOrigin(np.array(grid.GetOrigin()) - Grid.of(grid).centre + centre)
    on = Grid.of(grid)
    index = np.indices(on.size[::-1])[::-1].reshape(3, -1).T
    points = (on.world(index) - centre - shift) @ rotation((0.2, 0.3, 1.0), turn)  # of the head itself

    def inside(middle, radii) -> np.ndarray:
        return np.linalg.norm((points - middle) / radii, axis=1) < 1

    values, labels = np.zeros(len(points)), np.zeros(len(points), np.uint8)
    shapes = [
        ((0, 0, 0), (24, 29, 25), 0),
        ((0, 2, 2), (16, 21, 16), WHITE),
        ((4, 3, 2), (5, 10, 5), VENTRICLES),
        ((-9, -8, 6), (4, 3, 4), WHITE),
    ]
    for (middle, radii, label), brightness in zip(shapes, BRIGHTNESS[contrast], strict=True):
        where = inside(middle, radii)
        values[where], labels[where] = brightness, label
    values += np.random.default_rng(0).normal(size=len(values)) * 8
    images = (on.image(v.reshape(on.size[::-1])) for v in (np.maximum(values, 0).astype(np.int16), labels))
    return tuple(images)  # type: ignore[return-value]
