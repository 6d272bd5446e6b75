"""Where a NIfTI file says that its voxels lie: by its sform, its qform, or neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import BadInputError
from .geometry import Grid, corner_indices, nearest_grid, shear_deg

TO_MM = {"meter": 1e3, "micron": 1e-3}
SCANNER, ALIGNED = 1, 2  # codes of an sform in the scanner's own space, and in that of another scan of the same patient
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid_of(header: Any, size: tuple[int, ...], label: str, warn: Callable[[str], None]) -> Grid:
    """The grid of the voxels, LPS mm. header: nibabel's; size: x, y, z; label: names the image in messages.

    ITK's and so Slicer's choice: the sform where it is the scanner's or there is no qform; without both, the spacing
    from the origin on. Warns where the two lie apart. Raises BadInputError for axes that are not perpendicular, even
    where only the sform has them and a qform beside it has not, as converters of tilted scans write it.
    """
    forms = {name: matrix for name in ("sform", "qform") if (matrix := _matrix(header, name)) is not None}
    code = int(header["sform_code"])
    if not forms:
        forms["spacing"] = np.diag([*np.abs(header.get_zooms()[:3]), 1.0])
    name = "qform" if "qform" in forms and code != SCANNER else next(iter(forms))
    if abs(np.linalg.det(forms[name])) == 0:
        raise BadInputError(f"{label} has a voxel size of 0; set it right in the program that wrote the file.")
    grid, misplaced = nearest_grid(forms["sform" if "sform" in forms and code <= ALIGNED else name], size)
    if misplaced > grid.tolerance_mm:
        sheared = shear_deg(forms["sform" if "sform" in forms else name])
        raise BadInputError(
            f"{label} has axes that are not perpendicular: they are sheared by {sheared:.1f}°, as after a gantry tilt; "
            "resample it on perpendicular axes first."
        )
    grid, _ = nearest_grid(forms[name], size)
    distance = _distance_mm(forms, size)
    if distance > grid.tolerance_mm:
        warn(
            f"{label} says in two ways where it lies, by its sform and by its qform, up to {distance:.1f} mm apart; "
            f"the {name} was taken, as Slicer does, where another program may take the other one."
        )
    return grid


def _matrix(header: Any, name: str) -> np.ndarray | None:
    """(4, 4), voxel indices (x, y, z) to LPS mm, by the sform or the qform; None where it is not set."""
    try:
        matrix, code = getattr(header, f"get_{name}")(coded=True)
    except ValueError:  # a quaternion that is none
        return None
    if not code or not np.isfinite(matrix).all() or np.linalg.det(matrix) == 0:
        return None
    return np.diag([*3 * [TO_MM.get(header.get_xyzt_units()[0], 1.0)], 1.0]) @ LPS_FROM_RAS @ matrix


def _distance_mm(forms: dict[str, np.ndarray], size: tuple[int, ...]) -> float:
    """How far the two put a corner's voxel from each other at most, mm."""
    corners = np.c_[corner_indices(size), np.ones(8)]
    places = [corners @ matrix.T for matrix in forms.values()]
    return float(np.linalg.norm(places[0] - places[-1], axis=1).max())
