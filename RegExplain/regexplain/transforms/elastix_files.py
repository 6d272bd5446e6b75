"""elastix' TransformParameters files as ITK transforms: they are the same maps, fixed to moving points in LPS mm.

The format is that of the elastix manual, chapter "Transform": https://elastix.lumc.nl
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError, damaged_file
from ..volumes.geometry import Grid
from .itk import affine_matrix, affine_transform, as_affine, displacement_transform, to_displacement_field

LINE = re.compile(r"^\s*\(\s*(\w+)\s+(.*?)\)\s*(?://.*)?$|^(\w+)\s*=\s*\[?(.*?)\]?\s*$", re.MULTILINE)  # or as TOML
VALUE = re.compile(r'"([^"]*)"|([^\s,"]+)')
INITIAL = ("InitialTransformParameterFileName", "InitialTransformParametersFileName")  # since elastix 5.2, and before
NONE = ("NoInitialTransform", "")
Values = dict[str, list[str]]


def is_elastix(start: bytes) -> bool:
    """Whether a file that begins so is one of elastix' parameter files."""
    return re.search(rb'^\s*\(Transform\s+"|^Transform\s*=\s*"', start, re.MULTILINE) is not None


def read_elastix(path: Path, before: tuple[Path, ...] = ()) -> sitk.Transform:
    """The file and, by the names it holds, those it comes after. before: the files that named this one.

    Raises BadInputError for kinds of transform that ITK does not have, and for what cannot be read exactly.
    """
    values = _values(path)
    _check(values, path)
    last = _single_transform(values, path)
    name = next((values[key][0] for key in INITIAL if values.get(key)), NONE[0])
    if name in NONE:
        return last
    first = _find_named_file(path, name)
    if first.resolve() in {p.resolve() for p in (*before, path)}:
        raise BadInputError(f"{path.name} and {first.name} each come after the other; give the files elastix wrote.")
    initial = read_elastix(first, (*before, path))
    if values.get("HowToCombineTransforms", ["Compose"])[0] == "Add":
        return _add(initial, last, values, path)
    return sitk.CompositeTransform([last, initial])


def _values(path: Path) -> Values:
    text = path.read_text(encoding="utf-8", errors="replace")
    values = {}
    for key, numbers, quoted_key, quoted_numbers in LINE.findall(text):
        values[key or quoted_key] = [quoted or plain for quoted, plain in VALUE.findall(numbers or quoted_numbers)]
    return values


def _check(values: Values, path: Path) -> None:
    """Refuses what would be another map than the file means."""
    if not values.get("Transform"):
        raise damaged_file(path)
    if values.get("FixedImageDimension", ["3"])[0] != "3" or values.get("MovingImageDimension", ["3"])[0] != "3":
        raise BadInputError(f"{path.name} is a transform of elastix of other than 3 dimensions; a 3-D one is needed.")
    binary = values.get("UseBinaryFormatForTransformationParameters", ["false"])[0] == "true"
    turned = values.get("UseDirectionCosines", ["true"])[0] == "false" and not _has_identity_direction(values)
    if binary or turned or values.get("UseCyclicTransform", ["false"])[0] == "true":
        reason = (
            "its numbers lie in another file" if binary else "it leaves out directions" if turned else "it is cyclic"
        )
        raise _needs_field(path, reason)


def _has_identity_direction(values: Values) -> bool:
    return np.allclose(np.array(values.get("Direction", np.eye(3).ravel()), float), np.eye(3).ravel())


def _single_transform(values: Values, path: Path) -> sitk.Transform:
    kind = values["Transform"][0]
    maker = MAKERS.get(kind.removeprefix("Recursive").removeprefix("Advanced"))
    if maker is None:
        raise _needs_field(path, f"ITK has no {kind}")
    try:
        numbers = [float(number) for number in values["TransformParameters"]]
        if len(numbers) != int(values["NumberOfParameters"][0]):
            raise damaged_file(path)
        transform = maker(values)
        if len(numbers) != len(transform.GetParameters()):
            raise damaged_file(path)
        transform.SetParameters(numbers)
    except (KeyError, IndexError, ValueError) as error:
        raise damaged_file(path) from error
    return transform


def _numbers(values: Values, key: str, count: int = 3) -> list[float]:
    found = [float(number) for number in values[key]]
    if len(found) != count:
        raise ValueError(key)
    return found


def _translation(values: Values) -> sitk.Transform:
    return sitk.TranslationTransform(3)


def _with_centre(kind: Callable[[], Any]) -> Callable[[Values], sitk.Transform]:
    def made(values: Values) -> sitk.Transform:
        transform = kind()
        transform.SetCenter(_numbers(values, "CenterOfRotationPoint"))
        if values.get("ComputeZYX", ["false"])[0] == "true":
            transform.SetComputeZYX(True)
        return transform

    return made


def _spline(values: Values) -> sitk.Transform:
    direction = np.reshape(_numbers(values, "GridDirection", 9), (3, 3)).T  # elastix writes column by column
    order = int(values.get("BSplineTransformSplineOrder", ["3"])[0])
    if any(_numbers(values, "GridIndex")):
        raise ValueError("GridIndex")
    transform = sitk.BSplineTransform(3, order)
    transform.SetFixedParameters(
        [
            *_numbers(values, "GridSize"),
            *_numbers(values, "GridOrigin"),
            *_numbers(values, "GridSpacing"),
            *direction.ravel().tolist(),
        ]
    )
    return transform


MAKERS: dict[str, Callable[[Values], sitk.Transform]] = {
    "TranslationTransform": _translation,
    "EulerTransform": _with_centre(sitk.Euler3DTransform),
    "SimilarityTransform": _with_centre(sitk.Similarity3DTransform),
    "AffineTransform": _with_centre(lambda: sitk.AffineTransform(3)),
    "BSplineTransform": _spline,
}


def _add(initial: sitk.Transform, last: sitk.Transform, values: Values, path: Path) -> sitk.Transform:
    """x → initial(x) + own(x) − x. Exact where both are linear; else on the grid of the fixed image, which it names."""
    if initial.IsLinear() and last.IsLinear():
        first, second = (affine_matrix(as_affine(part)) for part in (initial, last))
        both = first + second - np.eye(4)
        return affine_transform(both[:3, :3], both[:3, 3])
    try:
        direction = np.reshape(_numbers(values, "Direction", 9), (3, 3)).T
        x, y, z = (int(n) for n in _numbers(values, "Size"))
        (a, b, c), (o, p, q) = _numbers(values, "Spacing"), _numbers(values, "Origin")
    except (KeyError, ValueError) as error:
        raise damaged_file(path) from error
    grid = Grid((x, y, z), (a, b, c), (o, p, q), tuple(direction.ravel().tolist()))
    return displacement_transform(to_displacement_field(initial, grid) + to_displacement_field(last, grid))


def _find_named_file(path: Path, name: str) -> Path:
    """The file that `path` names: where it says, seen from its own folder, or else of that name in it.

    A path in it was that on the computer where elastix ran, perhaps another one.
    """
    short = re.split(r"[/\\]", name)[-1]
    for file in (path.parent / name, path.parent / short):
        if file.is_file():
            return file
    raise BadInputError(f"{path.name} comes after {short}, which is not there; put the two into one folder.")


def _needs_field(path: Path, reason: str) -> BadInputError:
    return BadInputError(
        f"{path.name}, a parameter file of elastix, cannot be read exactly: {reason}; run `transformix -def all -tp "
        f"{path.name} -out FOLDER` and give the deformationField image it writes."
    )
