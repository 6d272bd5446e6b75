"""Segmentations as files have them (label maps, Slicer's layers, stacks of masks) as one label map, and their names.

Names are kept in the image's metadata by Slicer's own keys, `Segment0_Name` and `Segment0_LabelValue`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from .geometry import Grid

KEY = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
LARGEST_LABEL = 2**31 - 1  # of a segment in Slicer
TYPES = {np.uint8: sitk.sitkUInt8, np.uint16: sitk.sitkUInt16, np.uint32: sitk.sitkUInt32}


class Segment(NamedTuple):
    """One of a file: in which layer, by which value, and its name where it has one."""

    layer: int
    value: int
    name: str | None = None


def labels_of(segmentation: sitk.Image) -> list[int]:
    """The labels that occur, ascending, without 0."""
    return _values(sitk.GetArrayViewFromImage(segmentation))


def names_of(segmentation: sitk.Image | None) -> dict[int, str]:
    """Name by label of a label map that `label_map` made; {} where the file had none, and for None."""
    return {} if segmentation is None else {s.value: s.name for s in _segments_in_header(segmentation) if s.name}


def with_names(segmentation: sitk.Image, names: Mapping[int, str]) -> sitk.Image:
    """The same voxels with these names, and no other metadata."""
    image = sitk.Image(segmentation)
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    for number, (label, name) in enumerate(sorted(names.items())):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(label))
    return image


def label_map(image: sitk.Image, role: str) -> sitk.Image:
    """One number a voxel, uint8, uint16 or uint32, with the names that the file has.

    A stack of masks (4-D, or several values a voxel) is laid into one where they do not overlap; a mask of a stack of
    nameless ones gets its place in it, from 1. Raises BadInputError for what is no segmentation.
    """
    layers = [_whole_numbers(layer, role) for layer in _layers(image, role)]
    declared = {(s.layer, s.value): s.name for s in _segments_in_header(image)}
    segments = [Segment(n, v, declared.get((n, v))) for n, layer in enumerate(layers) for v in _values(layer)]
    if not segments:
        raise BadInputError(f"The {role} is empty (no voxel above 0); check that the right file was given.")
    labels = _assign_labels(segments, role)
    kind = next(t for t in TYPES if max(labels) <= np.iinfo(t).max)
    if len(layers) == 1:
        flat = layers[0].astype(kind)
    else:
        flat = np.zeros(layers[0].shape, kind)
        for segment, label in zip(segments, labels, strict=True):
            mask = layers[segment.layer] == segment.value
            if flat[mask].any():
                title = segment.name or f"number {label}"
                raise BadInputError(
                    f"The {role} is not one 3-D label map: its segment {title} overlaps another; export it as a label "
                    "map (one number a voxel) first."
                )
            flat[mask] = label
    first = image[(slice(None),) * 3 + (0,)] if image.GetDimension() == 4 else image
    names = {label: s.name for s, label in zip(segments, labels, strict=True) if s.name}
    return with_names(Grid.of(first).image(flat), names)


def match_labels(fixed: sitk.Image, moving: sitk.Image) -> tuple[sitk.Image, str | None]:
    """The moving label map, numbered as the fixed one, and a sentence that tells what was done if anything was.

    Segments belong together by name where both have names (upper and lower case alike), else by number.
    """
    of_fixed, of_moving = ({_normalise_name(n): v for v, n in names_of(image).items()} for image in (fixed, moving))
    names = names_of(fixed), names_of(moving)
    if not all(names):
        return moving, None
    if len(of_fixed) < len(names[0]) or len(of_moving) < len(names[1]) or not set(of_fixed) & set(of_moving):
        return moving, (
            "The two segmentations have no names in common, or one of them twice, so their segments were matched by "
            "number; rename them if that is wrong."
        )
    new = {of_moving[name]: of_fixed[name] for name in of_fixed if name in of_moving}
    taken = set(labels_of(fixed)) | set(new.values())
    for label in labels_of(moving):
        if label not in new:
            new[label] = label if label not in taken else max(taken) + 1
            taken.add(new[label])
    if all(old == label for old, label in new.items()):
        return moving, None
    changes = [f"{names[0][label]} ({label}, was {old})" for old, label in new.items() if label in names[0]]
    moved = with_names(_relabel(moving, new), {new[old]: name for old, name in names[1].items() if old in new})
    return moved, (
        f"The segments were matched by name, as their numbers differ between the two files: {', '.join(changes)}."
    )


def _normalise_name(name: str) -> str:
    return " ".join(name.split()).casefold()


def _relabel(image: sitk.Image, new: Mapping[int, int]) -> sitk.Image:
    values = sitk.GetArrayViewFromImage(image)
    kind = next(t for t in TYPES if max(new.values()) <= np.iinfo(t).max)
    relabelled = np.zeros(values.shape, kind)
    for old, label in new.items():
        relabelled[values == old] = label
    return Grid.of(image).image(relabelled)


def _segments_in_header(image: sitk.Image) -> list[Segment]:
    """The segments that the header of Slicer's format describes; in that of before 2020 each has a layer of its own."""
    rows: dict[int, dict[str, str]] = {}
    for key in image.GetMetaDataKeys():
        if match := KEY.fullmatch(key):
            rows.setdefault(int(match[1]), {})[match[2]] = image.GetMetaData(key)
    several = image.GetNumberOfComponentsPerPixel() > 1 or image.GetDimension() == 4
    segments = []
    for number, row in sorted(rows.items()):
        layer, value = row.get("Layer", str(number if several else 0)), row.get("LabelValue", "1")
        if layer.strip().isdigit() and value.strip().isdigit():
            segments.append(Segment(int(layer), int(value), row.get("Name")))
    return segments


def _layers(image: sitk.Image, role: str) -> list[sitk.Image]:
    count = image.GetNumberOfComponentsPerPixel()
    if image.GetDimension() == 4 and count == 1:
        return [image[:, :, :, n] for n in range(image.GetSize()[3])]
    if image.GetDimension() == 3 and "complex" not in image.GetPixelIDTypeAsString():
        return [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, n) for n in range(count)]
    raise BadInputError(f"The {role} is not one 3-D label map; export it as a label map (one number a voxel) first.")


def _whole_numbers(layer: sitk.Image, role: str) -> np.ndarray:
    values = sitk.GetArrayFromImage(layer)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise BadInputError(f"The {role} has values that are not whole numbers; give a label map, not an image.")
    if values.min() < 0 or values.max() > LARGEST_LABEL:
        raise BadInputError(f"The {role} has labels outside 0–{LARGEST_LABEL}; give a label map, not an image.")
    return values


def _values(array: np.ndarray) -> list[int]:
    """Those that occur, ascending, without 0."""
    values: set[int] = set()
    for plane in array:
        values.update(int(value) for value in np.unique(plane))
    return sorted(values - {0})


def _assign_labels(segments: list[Segment], role: str) -> list[int]:
    """A label for each: its own value where no two have the same, else by layer, or by order where all have names."""
    values = [s.value for s in segments]
    if len(set(values)) == len(values):
        return values
    if max(Counter(s.layer for s in segments).values()) == 1:
        return [s.layer + 1 for s in segments]
    if all(s.name for s in segments):
        return list(range(1, len(segments) + 1))
    raise BadInputError(f"The {role} is not one 3-D label map; export it as a label map (one number a voxel) first.")
