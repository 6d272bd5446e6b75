"""Label maps of made heads, in the codes of the training data."""

import numpy as np


def ball(shape, centre, radius) -> np.ndarray:
    """Voxels within `radius` (mm, one number or one an axis) of `centre`; z, y, x."""
    offsets = [np.arange(n) - c for n, c in zip(shape, centre, strict=True)]
    z, y, x = np.meshgrid(*offsets, indexing="ij", sparse=True)
    a, b, c = np.broadcast_to(radius, 3)
    return (z / a) ** 2 + (y / b) ** 2 + (x / c) ** 2 <= 1


def head_codes(shift=(0, 0, 0)) -> np.ndarray:
    """A made head of 1 mm voxels: skin, bone, fluid, cortex, white matter and deep structures on each side."""
    shape = (128, 160, 128)
    middle = np.array(shape) / 2 - 0.5 + shift
    codes = np.zeros(shape, np.uint16)
    for radius, code in (((56, 72, 54), 511), ((54, 70, 52), 507), ((46, 62, 44), 515), ((43, 59, 41), 24)):
        codes[ball(shape, middle, radius)] = code
    left = np.arange(shape[2]) > middle[2]
    for radius, codes_of_sides in (((40, 56, 38), (3, 42)), ((33, 49, 31), (2, 41))):
        inside = ball(shape, middle, radius)
        codes[inside] = np.broadcast_to(np.where(left, *codes_of_sides), shape)[inside]
    deep = {4: (8, 0, 8), 10: (-4, 8, 12), 11: (6, -18, 12), 12: (-2, -14, 22), 17: (-18, 6, 22)}
    for code, (dz, dy, dx) in deep.items():
        right = {4: 43, 10: 49, 11: 50, 12: 51, 17: 53}[code]
        for value, side in ((code, 1), (right, -1)):
            codes[ball(shape, middle + (dz, dy, side * dx), (7, 10, 5))] = value
    codes[ball(shape, middle + (-26, 10, 0), (14, 8, 8))] = 16
    return codes
