"""Two scans in one picture, to be judged by eye.

Of each scan a slice as Slicer draws it is given, (rows, columns, 4) uint8, red, green, blue and opacity, which is 0
outside the scan. All functions return (rows, columns, 3) uint8.
"""

import numpy as np

EDGE_COLOR = (255, 204, 26)  # that of the registered outlines
LINE_COLOR = (255, 255, 255)
STRONG_SHARE = 0.15  # of the steepest place: what is less steep is noise, and no edge
STEEPEST_PERCENTILE = 99.5
SMOOTH_PIXELS = 5


def blend(fixed, moving, share):
    """share: of the moving scan, 0-1."""
    part = np.uint16(round(256 * share))  # whole numbers take a third of the time, which a slider is felt by
    whole = _colours(fixed).astype(np.uint16) * (256 - part) + _colours(moving).astype(np.uint16) * part
    return (whole >> 8).astype(np.uint8)


def checkerboard(fixed, moving, fields):
    """Squares of either scan by turns; `fields`: how many along the longer side. The first, in the corner, is fixed."""
    rows, columns = fixed.shape[:2]
    side = max(rows, columns) / fields
    odd = np.floor(np.arange(rows) / side)[:, None] + np.floor(np.arange(columns) / side)
    return np.where((odd % 2 == 1)[..., None], _colours(moving), _colours(fixed))


def swipe(fixed, moving, column):
    """The fixed scan left of a column, the moving one from there on."""
    picture = _colours(fixed).copy()
    place = int(np.clip(column, 0, picture.shape[1] - 1))
    picture[:, place:] = _colours(moving)[:, place:]
    picture[:, place] = LINE_COLOR
    return picture


def difference(fixed, moving):
    """Red where the moving scan is brighter, cyan where the fixed one is, black where they agree or end."""
    both = (fixed[..., 3] > 0) & (moving[..., 3] > 0)
    more = np.where(both, _grey(moving) - _grey(fixed), 0)
    up, down = np.uint8(np.maximum(more, 0)), np.uint8(np.maximum(-more, 0))
    return np.stack((up, down, down), axis=-1)


def twoColours(fixed, moving):
    """The fixed scan green, the moving one magenta: grey where they agree."""
    green, magenta = np.uint8(_grey(fixed)), np.uint8(_grey(moving))
    return np.stack((magenta, green, magenta), axis=-1)


def edges(fixed, moving):
    """The edges of the moving scan, a pixel wide, on the fixed one."""
    picture = _colours(fixed).copy()
    picture[_edgesOf(_grey(moving))] = EDGE_COLOR
    return picture


def _edgesOf(grey):
    """(rows, columns) bool: where the steepness is the largest of three along the axis it changes most on."""
    down, right = np.gradient(_smooth(_smooth(grey.astype(np.float32))))  # of whole greys between voxels steps remain
    steep, flat = np.hypot(down, right), np.abs(right) >= np.abs(down)
    peak = np.zeros(grey.shape, bool)
    inner = steep[1:-1, 1:-1]
    across = (inner >= steep[1:-1, :-2]) & (inner > steep[1:-1, 2:])
    along = (inner >= steep[:-2, 1:-1]) & (inner > steep[2:, 1:-1])
    peak[1:-1, 1:-1] = np.where(flat[1:-1, 1:-1], across, along)
    some = steep[steep > 0]
    return peak & (steep > STRONG_SHARE * np.percentile(some, STEEPEST_PERCENTILE)) if some.size else peak


def _smooth(values):
    """The mean of squares of SMOOTH_PIXELS."""
    for axis in (0, 1):
        wide = [(SMOOTH_PIXELS // 2, SMOOTH_PIXELS // 2) if n == axis else (0, 0) for n in (0, 1)]
        padded = np.pad(values, wide, mode="edge")
        parts = [np.take(padded, range(n, n + values.shape[axis]), axis) for n in range(SMOOTH_PIXELS)]
        values = sum(parts) / SMOOTH_PIXELS
    return values


def _colours(scan):
    return np.where(scan[..., 3:] > 0, scan[..., :3], 0)


def _grey(scan):
    """(rows, columns) int16, 0-255, by the eye's weights; 0 outside the scan."""
    red, green, blue = (scan[..., n].astype(np.int32) for n in range(3))
    return np.where(scan[..., 3] > 0, (299 * red + 587 * green + 114 * blue) // 1000, 0).astype(np.int16)
