"""TransformParameters files as elastix writes them, of an oblique image, with numbers by formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SIZE, SPACING, ORIGIN = (14, 12, 11), (1.5, 1.2, 2.0), (10.0, -20.0, 30.0)
CENTRE = (16.0, -9.0, 38.0)
GRID_SIZE, GRID_SPACING = (8, 7, 9), (6.0, 7.0, 5.0)


def turn(axis: int, degrees: float) -> np.ndarray:
    i, j = (k for k in range(3) if k != axis)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    matrix[i, i], matrix[j, j], matrix[i, j], matrix[j, i] = cosine, cosine, -sine, sine
    return matrix


DIRECTION, GRID_DIRECTION = turn(0, 20) @ turn(2, 35), turn(1, 10) @ turn(2, -25)
MIDDLE = ORIGIN + DIRECTION @ ((np.array(SIZE) - 1) / 2 * SPACING)
GRID_ORIGIN = MIDDLE - GRID_DIRECTION @ ((np.array(GRID_SIZE) - 1) / 2 * GRID_SPACING)
WAVES = 5 * np.sin(0.7 * np.arange(3 * np.prod(GRID_SIZE)))
AFFINE = [1.05, 0.1, -0.02, -0.08, 0.97, 0.03, 0.04, -0.06, 1.1, 1.0, 2.0, -1.0]
PARAMETERS = {
    "TranslationTransform": [1.0, -2.0, 3.0],
    "EulerTransform": [0.1, -0.2, 0.3, 1.0, 2.0, 3.0],
    "SimilarityTransform": [0.1, -0.2, 0.05, 1.0, 2.0, 3.0, 1.1],
    "AffineTransform": AFFINE,
    "BSplineTransform": WAVES,
    "RecursiveBSplineTransform": WAVES,
}


def words(numbers) -> str:
    return " ".join(repr(float(number)) for number in np.ravel(numbers))


def write_parameters(path: Path, kind: str, initial: str = "NoInitialTransform", how: str = "Compose", **more) -> Path:
    """more: further keys, or other values of those that are there."""
    numbers = PARAMETERS[kind]
    values = {
        "Transform": f'"{kind}"',
        "NumberOfParameters": len(numbers),
        "TransformParameters": words(numbers),
        "InitialTransformParametersFileName": f'"{initial}"',
        "UseBinaryFormatForTransformationParameters": '"false"',
        "HowToCombineTransforms": f'"{how}"',
        "FixedImageDimension": 3,
        "MovingImageDimension": 3,
        "FixedInternalImagePixelType": '"float"',
        "MovingInternalImagePixelType": '"float"',
        "Size": " ".join(map(str, SIZE)),
        "Index": "0 0 0",
        "Spacing": words(SPACING),
        "Origin": words(ORIGIN),
        "Direction": words(DIRECTION.T),  # column by column
        "UseDirectionCosines": '"true"',
    }
    if "BSpline" in kind:
        values |= {
            "GridSize": " ".join(map(str, GRID_SIZE)),
            "GridIndex": "0 0 0",
            "GridSpacing": words(GRID_SPACING),
            "GridOrigin": words(GRID_ORIGIN),
            "GridDirection": words(GRID_DIRECTION.T),
            "BSplineTransformSplineOrder": 3,
            "UseCyclicTransform": '"false"',
        }
    elif kind != "TranslationTransform":
        values["CenterOfRotationPoint"] = words(CENTRE)
    if kind == "EulerTransform":
        values["ComputeZYX"] = '"false"'
    values |= more
    lines = [f"({key} {value})" for key, value in values.items()]
    lines[7:7] = ["", "// Image specific"]
    lines += ["// Resampler specific", '(Resampler "DefaultResampler")', "(DefaultPixelValue 0.000000)", ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


CHAINS = {  # the files of a chain: kind, how it is combined with the one before, more
    "translation": [("TranslationTransform", "Compose", {})],
    "rigid": [("EulerTransform", "Compose", {})],
    "rigid, ZYX": [("EulerTransform", "Compose", {"ComputeZYX": '"true"'})],
    "similarity": [("SimilarityTransform", "Compose", {})],
    "affine": [("AffineTransform", "Compose", {})],
    "B-spline of order 1": [("BSplineTransform", "Compose", {"BSplineTransformSplineOrder": 1})],
    "B-spline of order 2": [("BSplineTransform", "Compose", {"BSplineTransformSplineOrder": 2})],
    "B-spline of order 3": [("RecursiveBSplineTransform", "Compose", {})],
    "rigid, then affine, then B-spline": [
        ("EulerTransform", "Compose", {}),
        ("AffineTransform", "Compose", {}),
        ("RecursiveBSplineTransform", "Compose", {}),
    ],
    "rigid and affine added": [("EulerTransform", "Compose", {}), ("AffineTransform", "Add", {})],
    "affine and B-spline added": [("AffineTransform", "Compose", {}), ("BSplineTransform", "Add", {})],
}


def write_chain(folder: Path, chain: str) -> Path:
    """The last file of it; each names the one before as it lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    before = "NoInitialTransform"
    for number, (kind, how, more) in enumerate(CHAINS[chain]):
        path = write_parameters(folder / f"TransformParameters.{number}.txt", kind, before, how, **more)
        before = path.name
    return path
