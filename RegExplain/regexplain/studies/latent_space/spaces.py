"""The spaces that the same experiments run in: latent spaces under two bases, and, as control, displacement fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...latent.components import LatentComponents
from ...torch_backend.inference.model import Model
from ...torch_backend.spatial.warp import resize
from ...torch_backend.training.latent.known_motions import KnownMotion
from .predefined import TRANSFORMATIONS, pull_back
from .study import Case, Study, encodings, volume

COMPARED = 10  # components, as in the paper's box plots
SEED = 0
Moved = dict[str, np.ndarray]  # (cases, n) by the motion's name


@dataclass
class Space:
    """components: of n-vectors. differences: between each validation case and its moved copy, n-vectors.
    decode: (k, n) differences to displacements (k, 3, D, H, W) on the canvas, mm, components left, posterior, superior.
    """

    name: str
    unit: str  # of a coordinate
    components: LatentComponents
    differences: Moved
    decode: Callable[[np.ndarray], np.ndarray]

    @property
    def key(self) -> str:
        """For file names."""
        return self.name.replace(",", "").replace(" ", "-")

    def changes(self, count: int = COMPARED) -> Moved:
        """|Δa_j| of the first `count` components, (cases, count) by motion, in the space's own unit."""
        basis = self.components.basis[:count]
        return {name: np.abs(difference @ basis.T) for name, difference in self.differences.items()}

    def motions(self, count: int, strength: float) -> np.ndarray:
        """Displacements (count, 3, D, H, W) of the first components at `strength` standard deviations, mm."""
        count = min(count, len(self.components.sd))
        return self.decode(np.stack([self.components.direction(index, strength) for index in range(count)]))


def latent_spaces(study: Study) -> dict[str, Space]:
    """Without skips under PCA and, where the model has one, under the readable basis; with skips under PCA."""
    spaces = {}
    for name, model in study.models.items():
        latent_space = Space(
            name, "latent units", model.components, moved_encodings(study, name, model), decoder(model)
        )
        spaces[name] = latent_space
        if model is study.plain and model.components.readable is not None:
            readable = model.components.in_readable_basis()
            spaces["readable"] = Space(
                f"{name}, readable basis", latent_space.unit, readable, latent_space.differences, latent_space.decode
            )
    return spaces


def moved_encodings(study: Study, name: str, model: Model) -> Moved:
    """E(X′) − E(X) of every validation case."""
    still = encodings(model, [volume(model, case) for case in study.validation])
    moved = {}
    for done, motion in enumerate(TRANSFORMATIONS):
        study.progress.report(f"Known motions {name}", done, len(TRANSFORMATIONS))
        copies = [moved_copy(model, case, motion) for case in study.validation]
        moved[motion.name] = encodings(model, copies) - still
    return moved


def moved_copy(model: Model, case: Case, motion: KnownMotion) -> Tensor:
    return volume(model, case, pull_back(motion, model.canvas(case.image)))


def decoder(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    size = model.card.canvas_size
    grid = [n // 2 ** len(model.card.values["network"]["widths"]) for n in reversed(size)]

    @torch.inference_mode()
    def decode(differences: np.ndarray) -> np.ndarray:
        z = torch.from_numpy(differences).float().reshape(len(differences), -1, *grid).to(model.device)
        displacement = model.network.decode(z, size[::-1]).displacement
        return in_millimetres(displacement, model.card.canvas_spacing).cpu().numpy()

    return decode


def in_millimetres(displacement: Tensor, spacing) -> Tensor:
    """(B, 3, D, H, W) voxels of a grid with that spacing (x, y, z) to mm."""
    return displacement * displacement.new_tensor(spacing).view(1, 3, 1, 1, 1)


def field_space(study: Study) -> Space:
    """The control: PCA of the displacement fields between training cases, registered by the network without skips.

    As many pairs as cases: a random ring, so that each case is fixed once and moving once. A field of n numbers is at
    half the canvas' resolution, the network's own, divided by √cells: its length is a root mean square in mm.
    """
    model = study.plain
    order = np.random.default_rng(SEED).permutation(len(study.training))
    pairs = [(study.training[a], study.training[b]) for a, b in zip(order, np.roll(order, 1), strict=True)]
    fields = []
    for done, (fixed, moving) in enumerate(pairs):
        study.progress.report("Fields of training pairs", done, len(pairs))
        fields.append(field(model, volume(model, fixed), volume(model, moving)))
    differences = {}
    for done, motion in enumerate(TRANSFORMATIONS):
        study.progress.report("Fields of known motions", done, len(TRANSFORMATIONS))
        differences[motion.name] = np.stack(
            [field(model, volume(model, case), moved_copy(model, case, motion)) for case in study.validation]
        )
    components = LatentComponents.fit(np.stack(fields))
    return Space("displacement fields", "mm, root mean square", components, differences, _field_decoder(model))


@torch.inference_mode()
def field(model: Model, fixed: Tensor, moving: Tensor) -> np.ndarray:
    """(n,), float32: the network's displacement for one pair, as described above."""
    shape = [n // 2 for n in fixed.shape[2:]]
    displacement = model.network(fixed, moving, shape).displacement
    spacing = [2 * s for s in model.card.canvas_spacing]
    return (in_millimetres(displacement, spacing) / np.sqrt(np.prod(shape))).flatten().cpu().numpy()


def _field_decoder(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    """From vectors as `field` gives them to displacements on the canvas."""
    size = model.card.canvas_size[::-1]
    shape = [n // 2 for n in size]

    def decode(vectors: np.ndarray) -> np.ndarray:
        fields = torch.from_numpy(vectors * np.sqrt(np.prod(shape))).float().reshape(-1, 3, *shape)
        return resize(fields, size).numpy()

    return decode
