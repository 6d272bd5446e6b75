"""Cases with the true error of every cell, as training, calibration and tests read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ...transforms.itk import to_displacement_field
from ...volumes.geometry import Grid
from .cells import CellPair

ARRAYS = ("fixed", "warped", "displacement")
MASKS = ("overlap", "fixed_tissue", "warped_tissue")


@dataclass(frozen=True, eq=False)
class GroundTruthCase:
    """error: (d, h, w), mm, on the cells. about: subject, kind of pair, engine, seed. others: what else claims to
    predict the error, by name, on the cells."""

    pair: CellPair
    error: np.ndarray
    about: dict[str, str]
    others: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        grid = self.pair.fine
        arrays = {name: getattr(self.pair, name).astype(np.float32) for name in ARRAYS}
        arrays |= {name: np.packbits(getattr(self.pair, name)) for name in MASKS}
        arrays |= {f"other {name}": values.astype(np.float16) for name, values in self.others.items()}
        place = np.array([*grid.size, *grid.spacing, *grid.origin, *grid.direction], float)
        about = np.array([f"{key}={value}" for key, value in self.about.items()])
        np.savez(path, place=place, error=self.error.astype(np.float32), about=about, **arrays)

    @classmethod
    def load(cls, path: Path) -> GroundTruthCase:
        with np.load(path) as stored:
            place = stored["place"].tolist()
            x, y, z = map(int, place[:3])
            grid = Grid((x, y, z), tuple(place[3:6]), tuple(place[6:9]), tuple(place[9:]))
            shape = grid.size[::-1]
            arrays = {name: stored[name].astype(np.float32) for name in ARRAYS}
            masks = {
                name: np.unpackbits(stored[name], count=int(np.prod(shape))).reshape(shape).astype(bool)
                for name in MASKS
            }
            others = {
                name.removeprefix("other "): stored[name].astype(np.float32)
                for name in stored.files
                if name.startswith("other ")
            }
            about = dict(str(entry).split("=", 1) for entry in stored["about"])
            return cls(CellPair(grid, **arrays, **masks), stored["error"], about, others)


def true_error(transform: sitk.Transform, warp: sitk.Transform, cells: Grid) -> np.ndarray:
    """|warp(transform(p)) − p|, mm, at the middles of the cells: the moving image was moved by `warp`, a pull-back."""
    whole = sitk.CompositeTransform([warp, transform])
    return np.linalg.norm(sitk.GetArrayFromImage(to_displacement_field(whole, cells)), axis=-1)
