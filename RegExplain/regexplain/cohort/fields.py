"""What each pair of a study says, as numbers over one anatomy: displacements, log-Jacobians, latent differences.

Each is a sequence of one vector a pair, read when it is asked for: memory does not grow with the number of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..cards.registry import COMPONENTS, ModelCard
from ..errors import BadInputError
from ..latent.components import LatentComponents
from ..motions.anatomy import Anatomy
from ..results.folder import ResultFolder
from ..results.registration_result import RegistrationResult
from ..transforms.itk import read_transform, resample_displacement, to_displacement_field
from ..transforms.jacobians import LOG_FLOOR, jacobian_determinant
from ..volumes.geometry import Grid

MAX_VOXELS = 200_000  # of smooth fields: more say no more about a group


class Space:
    """The one fixed image of a study, thinned to MAX_VOXELS: its grid, and the anatomy in it."""

    def __init__(self, folder: Path):
        self.first = RegistrationResult.load(folder)
        labels = self.first.fixed_segmentation
        self.grid = Grid.of(self.first.fixed).subsampled_to(MAX_VOXELS)
        on_grid = None if labels is None else self.grid.resample(labels, nearest=True)
        self.anatomy = Anatomy.of(self.grid.resample(self.first.fixed), on_grid)


def deformation(folder: Path, grid: Grid) -> sitk.Transform:
    """Of a pair. Of a registration what comes after the alignment, which says how the patient lay in the scanner; of a
    transform made elsewhere all of it."""
    transform = read_transform(folder / "transform.h5")
    if ResultFolder.open(folder).record.get("transform"):
        return transform.itk()
    if transform.displacement is None:
        return sitk.Transform(3, sitk.sitkIdentity)
    return sitk.DisplacementFieldTransform(resample_displacement(transform.displacement, grid))


class Displacements:
    """(3V,) each: LPS mm at the V voxels of the anatomy; or with `everywhere` (3n,) at the n voxels of the grid."""

    def __init__(self, folders: Sequence[Path], space: Space, everywhere: bool = False):
        self.folders, self.space = folders, space
        self.where = np.ones_like(space.anatomy.inside) if everywhere else space.anatomy.inside

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> np.ndarray:
        grid = self.space.grid
        vectors = sitk.GetArrayFromImage(to_displacement_field(deformation(self.folders[index], grid), grid))
        return vectors[self.where].astype(np.float32).ravel()


class LogJacobians(Displacements):
    """(V,) each: ln det J at the voxels of the anatomy; positive where tissue is larger in the moving image."""

    def __getitem__(self, index: int) -> np.ndarray:
        grid = self.space.grid
        determinant = jacobian_determinant(deformation(self.folders[index], grid), grid)[self.where]
        return np.log(np.maximum(determinant, LOG_FLOOR))


class LatentDifferences:
    """(K,) each: the moving image's coordinates along the model's K components less the fixed image's, in the latent
    space's own units."""

    def __init__(self, folders: Sequence[Path], card: ModelCard):
        self.folders, self.components = folders, LatentComponents.load(card.verified_file(COMPONENTS))

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, index: int) -> np.ndarray:
        positions = ResultFolder.open(self.folders[index]).record.get("population")
        if not positions:
            raise BadInputError(
                f"The pair {self.folders[index].name} has no latent coordinates; use --of displacement, or register "
                "all with one model that has a latent space."
            )
        fixed, moving = (np.array(positions[role]["coordinates_sd"]) for role in ("fixed", "moving"))
        return (moving - fixed) * self.components.sd
