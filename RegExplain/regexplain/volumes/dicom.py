"""Volumes from DICOM folders and files, placed as each slice's own header says.

ITK's series reader takes the average distance of the slices, and the first slice's slope and offset, for all of them.
Here pydicom reads the headers, and irregular volumes are refused. GDCM (in ITK) decodes the pixels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from .dicom_headers import SeriesIndex, Slice, index_series, is_dicom_file
from .dicom_pixels import stack_pixels
from .dicom_volumes import Volume, volumes_of
from .geometry import MISPLACED_MM, MISPLACED_SHARE, Grid, nearest_grid, shear_deg
from .memory import check_memory

ROUNDED_DEG = 0.03  # what cosines of three digits leave between axes that are perpendicular
MAX_LISTED = 12
OPTIONS = {"fixed image": "--fixed-series", "moving image": "--moving-series"}
IN_SLICER = "import the series in Slicer's module DICOM, which resamples it, and give the volume that you save there"


def is_dicom(path: Path) -> bool:
    """Whether a path is a folder, or a file of DICOM."""
    return path.is_dir() or (path.stat().st_size > 0 and is_dicom_file(path))


def read(path: Path, role: str, series: str | None, warn: Callable[[str], None]) -> sitk.Image:
    """The volume of a folder or file, or the one called `series` of several. Raises BadInputError, naming the slices,
    for what is none; `role` ("fixed image") names it in messages.
    """
    place = f"The {'folder' if path.is_dir() else 'file'} {path} given as {role}"
    index = _index(path)
    volumes = volumes_of(index.series)
    if index.damaged:
        warn(
            f"{len(index.damaged)} files of the {role} are damaged and were left out ({index.damaged[0].name} first); "
            "copy them again from their source."
        )
    if not volumes:
        count = sum(len(one.slices) for one in index.series)
        raise BadInputError(_no_volume_message(place, count, index.others))
    volume = _select_volume(volumes, place, role, series)
    check_memory((len(volume.slices), *volume.slices[0].size), role)
    grid = _grid(volume.slices, role)
    _warn_of_missing_slices(volume, role, warn)
    return grid.image(stack_pixels(volume.slices, role))


def _index(path: Path) -> SeriesIndex:
    """The series in a folder, or, where it has no slices itself, in all folders below it, as on a disc."""
    if path.is_file():
        return index_series([path])
    index = index_series(sorted(file for file in path.iterdir() if file.is_file()))
    if index.series:
        return index
    below = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return index_series(sorted(file for file in below if file.is_file()))


def _no_volume_message(place: str, slices: int, others: int) -> str:
    if slices == 1:
        return f"{place} holds one slice; give the folder of its whole series."
    if slices:
        return f"{place} holds {slices} slices, but no two behind one another; give a series of parallel slices."
    if others:
        return (
            f"{place} holds DICOM images ({others}), but none that says where in the patient it lies, or in colour; "
            "give a series of CT, MR or PET slices, or a volume that Slicer saved."
        )
    return f"{place} holds no DICOM series; give the folder of one."


def _select_volume(volumes: list[Volume], place: str, role: str, series: str | None) -> Volume:
    listed = ", ".join(volume.description for volume in volumes[:MAX_LISTED])
    if len(volumes) > MAX_LISTED:
        listed += f" and {len(volumes) - MAX_LISTED} more"
    if series is not None:
        for volume in volumes:
            if series in (volume.name, volume.series.uid):
                return volume
        raise BadInputError(f"{place} holds no series {series}; it holds {listed}.")
    if len(volumes) == 1:
        return volumes[0]
    same_place = {(volume.series.uid, len(volume.slices), tuple(volume.slices[0].position)) for volume in volumes}
    what = "images at each position (time points, echoes or b-values)" if len(same_place) == 1 else "volumes"
    raise BadInputError(
        f"{place} holds {len(volumes)} {what}: {listed}; choose one, for example with "
        f"{OPTIONS.get(role, 'series')} {volumes[0].name}."
    )


def _grid(slices: list[Slice], role: str) -> Grid:
    """The regular grid that the slices' positions make. Raises BadInputError where they make none."""
    places, first = np.array([one.position for one in slices]), slices[0]
    steps = np.c_[np.arange(len(slices)), np.ones(len(slices))]
    (step, start), *_ = np.linalg.lstsq(steps, places, rcond=None)
    matrix = np.eye(4)
    matrix[:3] = np.c_[first.along_row * first.spacing[0], first.along_column * first.spacing[1], step, start]
    tolerance = min(MISPLACED_MM, MISPLACED_SHARE * float(np.linalg.norm(step)))
    off = np.linalg.norm(steps @ [step, start] - places, axis=1)
    if off.max() > tolerance:
        raise BadInputError(_uneven_message(slices, places @ first.normal, off, role))
    grid, misplaced = nearest_grid(matrix, (first.size[1], first.size[0], len(slices)))
    if misplaced > tolerance and shear_deg(matrix) > ROUNDED_DEG:
        raise BadInputError(
            f"The slices of the {role} are sheared by {shear_deg(matrix):.1f}° (gantry tilt): each lies beside the one "
            f"before it; {IN_SLICER}."
        )
    return grid


def _uneven_message(slices: list[Slice], heights: np.ndarray, off: np.ndarray, role: str) -> str:
    """What is wrong with the places of slices, whose heights along their normal are given, and how far they are off."""
    gaps = np.diff(heights)
    widest, shut = int(gaps.argmax()), gaps < 1e-2
    if shut.any():
        numbers = ", ".join(str(slices[n].number) for n in np.flatnonzero(shut)[:MAX_LISTED])
        return (
            f"The {role} has two images or more at {int(shut.sum())} of its positions (that of image {numbers}), and "
            "one at the others; take out those that do not belong to it."
        )
    if gaps.max() - gaps.min() < min(MISPLACED_MM, MISPLACED_SHARE * gaps.min()):
        worst = slices[int(off.argmax())].number
        return (
            f"The slices of the {role} do not lie behind one another: image {worst} lies {off.max():.1f} mm beside its "
            f"place; {IN_SLICER}."
        )
    digits = 1 if gaps.max() - gaps.min() >= 0.1 else 2
    return (
        f"The slices of the {role} are missing or unevenly spaced: {gaps.min():.{digits}f} to "
        f"{gaps.max():.{digits}f} mm apart, the most between images {slices[widest].number} and "
        f"{slices[widest + 1].number}; give the whole series, or {IN_SLICER}."
    )


def _warn_of_missing_slices(volume: Volume, role: str, warn: Callable[[str], None]) -> None:
    """Warn of missing slices that leave no gap: slices that are not parallel, and missing numbers."""
    series, numbers = volume.series, sorted(one.number for one in volume.slices)
    if volume.alone:
        left = len(series.slices) - len(numbers)
        if left:
            warn(f"{left} images of the series of the {role} do not lie parallel to the others and were left out.")
        elif len(set(numbers)) == len(numbers) and (numbers[0] > 1 or numbers[-1] - numbers[0] >= len(numbers)):
            warn(
                f"The {role} may lack slices: it has {len(numbers)}, numbered from {numbers[0]} to {numbers[-1]}. "
                "Check that the whole series was copied."
            )
