"""Linear transforms as text files of programs that count in RAS: the MNI tools (.xfm) and FreeSurfer (.lta)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError, damaged_file
from .itk import affine_transform

XFM, LTA = "MNI Transform File", re.compile(r"^type\s*=\s*(\d+).*?^nxforms\s*=\s*(\d+)", re.MULTILINE | re.DOTALL)
VOXELS, RAS = 0, 1  # what FreeSurfer's matrices map, by their type
FLIP = np.diag((-1.0, -1.0, 1.0, 1.0))
MATRIX_SIZES = (12, 16)


def read_matrix(path: Path, text: str) -> sitk.AffineTransform | None:
    """A linear .xfm or .lta file as a map of fixed to moving points (LPS mm); None for a file that is neither.

    Both map the source, which is moved, to the target. Raises BadInputError for those that bend, and for a bare matrix.
    """
    if text.lstrip().startswith(XFM):
        forward = _xfm(path, text)
    elif match := LTA.search(text):
        forward = _lta(path, text, int(match[1]), int(match[2]))
    else:
        _refuse_bare(path, text)
        return None
    if forward is None or abs(np.linalg.det(forward[:3, :3])) < 1e-12:
        raise damaged_file(path)
    back = FLIP @ np.linalg.inv(forward) @ FLIP
    return affine_transform(back[:3, :3], back[:3, 3])


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return None


def _xfm(path: Path, text: str) -> np.ndarray | None:
    """(4, 4), source to target, RAS mm; the parts of a concatenation one after the other."""
    whole = np.eye(4)
    text = re.sub(r"%.*", "", text)
    parts = re.split(r"Transform_Type\s*=", text)[1:]
    for part in parts:
        kind = part.split(";")[0].strip()
        if kind != "Linear":
            raise BadInputError(
                f"{path.name} bends space by a {kind} of the MNI tools, which ITK does not read; give the displacement "
                "field itself as an image, or a linear .xfm."
            )
        match = re.search(r"Linear_Transform\s*=([^;]*);", part)
        numbers = _numbers(match[1]) if match else None
        if numbers is None or len(numbers) != 12:
            return None
        matrix = np.vstack([np.reshape(numbers, (3, 4)), (0, 0, 0, 1)])
        inverse = re.search(r"Invert_Flag\s*=\s*True", part)
        whole = (np.linalg.inv(matrix) if inverse else matrix) @ whole
    return whole if parts else None


def _lta(path: Path, text: str, kind: int, count: int) -> np.ndarray | None:
    """(4, 4), source to target, RAS mm."""
    if kind not in (VOXELS, RAS) or count != 1:
        raise _lta_convert(path)
    match = re.search(r"^1 4 4\s*\n((?:.*\n){4})", text + "\n", re.MULTILINE)
    numbers = _numbers(match[1]) if match else None
    if numbers is None or len(numbers) != 16:
        return None
    matrix = np.reshape(numbers, (4, 4))
    if kind == RAS:
        return matrix
    source, target = (_voxels_to_ras(text, role) for role in ("src", "dst"))
    if source is None or target is None:
        raise _lta_convert(path)
    return target @ matrix @ np.linalg.inv(source)


def _voxels_to_ras(text: str, role: str) -> np.ndarray | None:
    """(4, 4) of the image that a file describes; None where it does not."""
    described = re.search(rf"^{role} volume info\s*\n((?:\w+\s*=.*\n?)*)", text, re.MULTILINE)
    values = dict(re.findall(r"^(\w+)\s*=\s*([^#\n]*)", described[1], re.MULTILINE)) if described else {}
    if values.get("valid", "0").strip() != "1":
        return None
    rows = [_numbers(values.get(key, "")) for key in ("volume", "voxelsize", "xras", "yras", "zras", "cras")]
    if any(row is None or len(row) != 3 for row in rows):
        return None
    size, spacing, x, y, z, centre = np.array(rows, float)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, y, z], 1) * spacing
    matrix[:3, 3] = centre - matrix[:3, :3] @ (size / 2)
    return matrix


def _lta_convert(path: Path) -> BadInputError:
    return BadInputError(
        f"{path.name} is a transform of FreeSurfer that does not say where its images lie; convert it with "
        f"`lta_convert --inlta {path.name} --outitk FILE.txt`."
    )


def _refuse_bare(path: Path, text: str) -> None:
    numbers = _numbers(re.sub(r"#.*", "", text))
    if numbers is not None and len(numbers) in MATRIX_SIZES:
        raise BadInputError(
            f"{path.name} is a bare matrix, as greedy, FSL and AFNI write it, each along other axes; convert it for "
            f"ITK, greedy's with `c3d_affine_tool {path.name} -oitk FILE.txt`, FSL's with `c3d_affine_tool -ref FIXED "
            f"-src MOVING {path.name} -fsl2ras -oitk FILE.txt`."
        )
