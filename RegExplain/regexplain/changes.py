"""What changed between two scans, apart from what moved: the Python API behind `regexplain changes`.

Of two contrasts the fixed scan is held against what a network draws of its contrast from the moving one.
A voxel has changed where the moving image, laid on the fixed one and matched to its intensities, is brighter than all,
or darker than all, that the fixed image has within as many mm as the registration may be off there. So a border that
lies a little beside itself is no change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .cards import registry
from .errors import BadInputError
from .results.changes import NOISE_SD, Change, Changes
from .results.landmarks import EXPECTED
from .results.registration_result import RegistrationResult
from .results.trust import describe_position
from .volumes.contrasts import same_contrast
from .volumes.geometry import Grid
from .volumes.intensities import tissue_mask
from .volumes.segmentations import labels_of, names_of
from .volumes.threads import device_errors, use_threads

if TYPE_CHECKING:
    from .torch_backend.inference.synthesis import SynthesisedImage

ASSUMED_ERROR_MM = 1.0  # of a registration without an error map
MAX_ERROR_MM = 5  # of an error map: beyond it nothing can be compared
SURFACE_MM = 10.0  # from air and bone: what lies nearer differs between any two visits
MIN_ML = 0.02
BIAS_MM = 20.0  # smoothness of what coils and windows do to the brightness
OUTLIER_SD = 2.5
MIN_VOXELS = 1000  # voxels
FIT_ITERATIONS = 5
DIFFERENT = (
    "The two images are of different contrasts, so what differs between them is the contrast, and no change; give two "
    "scans of one contrast, or T1 and FLAIR with a model that draws one from the other (--model brain-t1-flair)."
)


def detect_changes(
    result: RegistrationResult,
    folder: Path | None = None,
    *,
    model: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
) -> Changes:
    """What differs beyond motion, noise and the registration error.

    folder: of the finished result, where an error map may be; without one the error is taken to be
    ASSUMED_ERROR_MM everywhere. model: for two contrasts, what draws one from the other; by default the one that made
    the result. Raises BadInputError for two contrasts without such a model, and where too little can be compared.
    """
    fixed = sitk.Cast(result.fixed, sitk.sitkFloat32)
    first, second = (sitk.GetArrayFromImage(image) for image in (fixed, result.warped_moving))
    synthesised = None
    if not same_contrast(first, second):
        synthesised = _synthesised_fixed(result, model, device, threads)
        second = sitk.GetArrayFromImage(synthesised.image)
    path = None if folder is None else folder / EXPECTED
    error_mm = _registration_error(path, Grid.of(fixed)) if path is not None and path.is_file() else None
    inside = _comparable(result, fixed) & (True if error_mm is None else error_mm > 0)
    if synthesised is not None:
        inside &= synthesised.inside
    if inside.sum() < MIN_VOXELS:
        raise BadInputError(
            "Too little tissue lies in both images, deep enough and placed surely enough, to be compared; check the "
            "registration first."
        )
    matched = _match_intensities(second.astype(np.float32), first, inside, fixed)
    noise = _spread(matched[inside] - first[inside])
    excess = _excess(matched, fixed, np.full(first.shape, ASSUMED_ERROR_MM) if error_mm is None else error_mm)
    excess = np.where(inside, excess / max(noise, 1e-6), 0).astype(np.float32)
    places, marked = _regions(excess, result, inside, None if synthesised is None else synthesised.anatomy)
    return Changes(
        Grid.of(fixed).image(excess),
        noise,
        ASSUMED_ERROR_MM if error_mm is None else "error map",
        sorted(places, key=lambda place: -place.volume_ml),
        [] if result.fixed_segmentation is None else list(_segments(result.fixed_segmentation, excess, marked)),
        None if synthesised is None else synthesised.contrast,
    )


def _synthesised_fixed(
    result: RegistrationResult, model: str | os.PathLike[str] | None, device: str, threads: int | None
) -> SynthesisedImage:
    """The fixed image as a network draws it from the moving one."""
    used = result.record.get("model") or {"sha256": ""}
    card = registry.find_card(os.fspath(model)) if model is not None else registry.card_by_checksum(used["sha256"])
    if card is None or not card.has_indicators:
        raise BadInputError(DIFFERENT)
    from .torch_backend.inference.model import load_cached
    from .torch_backend.inference.synthesis import synthesise_fixed

    with device_errors():
        return synthesise_fixed(load_cached(card, device, use_threads(threads)), result)


def _registration_error(path: Path, grid: Grid) -> np.ndarray:
    """(z, y, x) mm of the error map; 0 where there is no estimate, or one above MAX_ERROR_MM."""
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    expected = sitk.GetArrayFromImage(grid.resample(image, nearest=True))
    return np.where(np.isfinite(expected) & (expected <= MAX_ERROR_MM), np.maximum(expected, 0), 0)


def _comparable(result: RegistrationResult, fixed: sitk.Image) -> np.ndarray:
    """(z, y, x) bool: tissue of both images, away from air and bone, and within the moving image."""
    mask = tissue_mask(fixed)
    head = sitk.BinaryFillhole(Grid.of(fixed).image(mask.astype(np.uint8)))
    depth = sitk.SignedMaurerDistanceMap(head, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    covered = Grid.of(fixed).resample(Grid.of(result.moving).ones(), result.transform.itk(), nearest=True)
    deep = sitk.GetArrayFromImage(depth) > SURFACE_MM
    return mask & tissue_mask(result.warped_moving) & deep & (sitk.GetArrayFromImage(covered) > 0)


def _match_intensities(moving: np.ndarray, fixed: np.ndarray, inside: np.ndarray, like: sitk.Image) -> np.ndarray:
    """`moving` as bright as `fixed`: a line through what did not change, and a smooth ratio over it."""
    x, y = (values[inside].astype(np.float64) for values in (moving, fixed))  # float32 is too coarse for the fit
    kept = np.ones(len(x), bool)
    slope, offset = 1.0, 0.0
    for _ in range(FIT_ITERATIONS):
        slope, offset = np.polyfit(x[kept], y[kept], 1)
        rest = y - slope * x - offset
        kept = np.abs(rest) <= OUTLIER_SD * max(_spread(rest), 1e-6)
    line = slope * moving + offset
    ratio = _smooth(np.where(inside, fixed, 0), like) / np.maximum(_smooth(np.where(inside, line, 0), like), 1e-3)
    return np.where(inside, line * ratio, line)


def _smooth(values: np.ndarray, like: sitk.Image) -> np.ndarray:
    image = Grid.of(like).image(values.astype(np.float32))
    return sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(image, BIAS_MM))


def _spread(values: np.ndarray) -> float:
    """Standard deviation of what did not change, by the median."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _excess(matched: np.ndarray, fixed: sitk.Image, error_mm: np.ndarray) -> np.ndarray:
    """(z, y, x): how far `matched` is above, or (negative) below, all that the fixed image has within `error_mm` mm."""
    values, excess = sitk.GetArrayFromImage(fixed), np.zeros(matched.shape, np.float32)
    steps = np.clip(np.ceil(error_mm), 1, MAX_ERROR_MM).astype(int)
    for mm in np.unique(steps):
        reach = [mm / side for side in fixed.GetSpacing()[::-1]]
        high, low = _local_maximum(values, reach), -_local_maximum(-values, reach)
        at_step = steps == mm
        excess[at_step] = (np.maximum(matched - high, 0) - np.maximum(low - matched, 0))[at_step]
    return excess


def _local_maximum(values: np.ndarray, reach: list[float]) -> np.ndarray:
    """The largest value within (z, y, x) voxels of each, between voxels by linear interpolation, axis by axis."""
    for axis, voxels in enumerate(reach):
        offsets = [*range(1, int(voxels) + 1), voxels]
        around = [_shift(values, sign * offset, axis) for offset in offsets for sign in (1, -1)]
        values = np.maximum.reduce([values, *around])
    return values


def _shift(values: np.ndarray, offset: float, axis: int) -> np.ndarray:
    """`values` at index + offset along an axis; those of its border beyond it."""
    count = values.shape[axis]
    places = np.clip(np.arange(count) + offset, 0, count - 1)
    lower = np.minimum(places.astype(int), max(count - 2, 0))
    share = (places - lower).reshape([-1 if n == axis else 1 for n in range(values.ndim)]).astype(values.dtype)
    upper = np.minimum(lower + 1, count - 1)
    return (1 - share) * values.take(lower, axis) + share * values.take(upper, axis)


def _regions(
    excess: np.ndarray,
    result: RegistrationResult,
    inside: np.ndarray,
    anatomy: tuple[sitk.Image, dict[int, str]] | None = None,
) -> tuple[list[Change], np.ndarray]:
    """The places that changed, and where (z, y, x) they are. anatomy: structures that places are named after where
    there is no segmentation, and their names."""
    grid, marked = Grid.of(result.fixed), np.zeros(excess.shape, bool)
    voxel_ml = float(np.prod(grid.spacing)) / 1000
    least = max(1, int(np.ceil(MIN_ML / voxel_ml)))
    points = grid.world(np.argwhere(inside)[:, ::-1])
    middle = points.mean(0)
    half = np.maximum(np.abs(points - middle).max(0), 1e-6)
    regions = []
    for kind, hit in (("brighter", excess > NOISE_SD), ("darker", excess < -NOISE_SD)):
        parts = sitk.RelabelComponent(sitk.ConnectedComponent(grid.image(hit.astype(np.uint8))), least)
        labels = sitk.GetArrayFromImage(parts)
        for label in range(1, int(labels.max()) + 1):
            region = labels == label
            marked |= region
            centre = grid.world(np.argwhere(region)[:, ::-1].mean(0))
            place = (
                _segment_at(result, region)
                or _structure_at(anatomy, centre)
                or describe_position(((centre - middle) / half).tolist(), "tissue")
            )
            ml = float(region.sum()) * voxel_ml
            regions.append(Change(kind, ml, float(excess[region].mean()), tuple(centre.tolist()), place))
    return regions, marked


def _segment_at(result: RegistrationResult, region: np.ndarray) -> str:
    """The name of the segment that most of a place lies in; empty where it lies in none."""
    if result.fixed_segmentation is None:
        return ""
    label = int(np.bincount(sitk.GetArrayViewFromImage(result.fixed_segmentation)[region]).argmax())
    return names_of(result.fixed_segmentation).get(label, f"segment {label}") if label else ""


def _structure_at(anatomy: tuple[sitk.Image, dict[int, str]] | None, centre: np.ndarray) -> str:
    """The name of the structure at a point (LPS mm); empty where there is none."""
    if anatomy is None:
        return ""
    labels, names = anatomy
    index = labels.TransformPhysicalPointToIndex(centre.tolist())
    within = all(0 <= at < size for at, size in zip(index, labels.GetSize(), strict=True))
    return names.get(labels[index], "") if within else ""


def _segments(labels: sitk.Image, excess: np.ndarray, marked: np.ndarray) -> Iterator[dict[str, Any]]:
    values, voxel_ml = sitk.GetArrayViewFromImage(labels), float(np.prod(labels.GetSpacing())) / 1000
    for label in labels_of(labels):
        marked_excess = excess[(values == label) & marked]
        up, down = (float(count) * voxel_ml for count in ((marked_excess > 0).sum(), (marked_excess < 0).sum()))
        yield {"label": label, "brighter_ml": up, "darker_ml": down}
