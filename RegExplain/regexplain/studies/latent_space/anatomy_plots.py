"""Pictures of a case with arrows or outlines on it, in millimetres about the canvas' centre.

Everything lies on the canvas: volumes (D, H, W), segments (L, D, H, W), displacements (3, D, H, W) in mm, pull-back,
their components left, posterior, superior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..charts import PAGE_WIDTH_IN

ORIGINAL, WARPED = "red", "gold"  # the paper's colours
STEP_VOX = 3  # between arrows
LABEL_IN = 0.4  # height of the ticks and the label under a picture
NORM_PERCENTILE = 99  # of the lengths in a picture: the end of its colour bar
LONGEST_ARROW_MM = 5  # of the picture, for a motion of that length
TOWARDS = ("left", "posterior", "superior")
# Perceptually even, and light enough everywhere to stand out from a darkened image.
NORM_COLOURS = LinearSegmentedColormap.from_list("norm", ["#3b8bff", "#4fd1c5", "#f5e663", "#ffffff"])


@dataclass(frozen=True)
class Plane:
    """A slice across one axis; `right` and `vertical` are the axes of the picture."""

    name: str
    across: int
    right: int
    vertical: int

    def cut(self, volume: np.ndarray, index: int) -> np.ndarray:
        """(…, rows, columns) of (…, D, H, W)."""
        return np.take(volume, index, axis=volume.ndim - 1 - self.across)


PLANES = (Plane("sagittal", 0, 1, 2), Plane("coronal", 1, 0, 2), Plane("axial", 2, 0, 1))


@dataclass(frozen=True)
class Backdrop:
    """The case that a motion is shown on. volume in [0, 1]; spacing (x, y, z) mm; number: the case's."""

    number: int
    volume: np.ndarray
    segments: np.ndarray
    spacing: Sequence[float]

    @property
    def centre(self) -> list[int]:
        """(x, y, z), the voxel in the middle of the anatomy, where the slices are taken."""
        return [int(round(positions.mean())) for positions in np.nonzero(self.segments.sum(0) > 0.5)[::-1]]

    def millimetres(self, axis: int) -> np.ndarray:
        """Of the voxel centres along an axis, about the canvas' centre."""
        count = self.volume.shape[2 - axis]
        return (np.arange(count) - (count - 1) / 2) * self.spacing[axis]

    def limits(self, axis: int) -> tuple[float, float]:
        """The span of the image along an axis, mm."""
        others = tuple(a for a in range(3) if a != 2 - axis)
        inside = self.millimetres(axis)[self.volume.max(others) > 0]
        return inside[0] - self.spacing[axis] / 2, inside[-1] + self.spacing[axis] / 2


def arrows(backdrop: Backdrop, motions: dict[str, np.ndarray]) -> Figure:
    """A row a motion with its own colour bar, a column a plane. Colours show the length in all three directions."""
    figure, axes = _grid(backdrop, list(motions))
    for row, displacement in zip(axes, motions.values(), strict=True):
        lengths = np.linalg.norm(displacement, axis=0)[backdrop.volume > 0]
        longest = max(float(np.percentile(lengths, NORM_PERCENTILE)), 1e-6)
        colours = ScalarMappable(Normalize(0, longest), NORM_COLOURS)
        for axis, plane in zip(row, PLANES, strict=True):
            _arrows(axis, backdrop, plane, displacement, colours, LONGEST_ARROW_MM / longest)
        bar = figure.colorbar(colours, ax=row.tolist(), aspect=15, pad=0.02)
        bar.set_label(f"length (mm)\narrows drawn ×{LONGEST_ARROW_MM / longest:.2g}")
    return figure


def outlines(backdrop: Backdrop, motions: dict[str, np.ndarray]) -> Figure:
    """A row a motion (its warped segments (L, D, H, W)), a column a plane."""
    figure, axes = _grid(backdrop, list(motions))
    for row, warped in zip(axes, motions.values(), strict=True):
        for axis, plane in zip(row, PLANES, strict=True):
            _outlines(axis, backdrop, plane, warped)
    _outline_legend(figure)
    return figure


def sweep(backdrop: Backdrop, rows: dict[str, tuple[Plane, list[np.ndarray]]], columns: Sequence[str]) -> Figure:
    """A row a component in the plane where it shows best, a column a strength: warped segments (L, D, H, W)."""
    shapes = [
        np.ptp(backdrop.limits(plane.vertical)) / np.ptp(backdrop.limits(plane.right)) for plane, _ in rows.values()
    ]
    height = sum(shapes) * PAGE_WIDTH_IN / (len(columns) + 0.7) + LABEL_IN * len(shapes) + 0.5
    figure = Figure(figsize=(PAGE_WIDTH_IN, height), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, height_ratios=shapes)
    for row, (title, (plane, warped)) in zip(axes, rows.items(), strict=True):
        for axis, segments in zip(row, warped, strict=True):
            _image(axis, backdrop, plane)
            _outlines(axis, backdrop, plane, segments)
        _label(row[0], plane, title)
        for axis in row[1:]:
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title)
    _outline_legend(figure)
    return figure


def _grid(backdrop: Backdrop, titles: Sequence[str]) -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(PAGE_WIDTH_IN, 2.1 * len(titles) + 0.4), layout="constrained")
    widths = [np.ptp(backdrop.limits(plane.right)) for plane in PLANES]
    axes = figure.subplots(len(titles), len(PLANES), squeeze=False, width_ratios=widths)
    for row, title in zip(axes, titles, strict=True):
        for axis, plane in zip(row, PLANES, strict=True):
            _image(axis, backdrop, plane)
            _label(axis, plane, title if plane is PLANES[0] else "")
    for axis, plane in zip(axes[0], PLANES, strict=True):
        axis.set_title(plane.name)
    return figure, axes


def _image(axis: Axes, backdrop: Backdrop, plane: Plane) -> None:
    across, down = (backdrop.millimetres(a) for a in (plane.right, plane.vertical))
    half = [backdrop.spacing[a] / 2 for a in (plane.right, plane.vertical)]
    extent = (across[0] - half[0], across[-1] + half[0], down[0] - half[1], down[-1] + half[1])
    cut = plane.cut(backdrop.volume, backdrop.centre[plane.across])
    axis.imshow(cut, cmap="gray", vmin=0, vmax=1.5, origin="lower", extent=extent)
    axis.set_xlim(*backdrop.limits(plane.right))
    low, high = backdrop.limits(plane.vertical)
    axis.set_ylim(*((high, low) if plane.vertical == 1 else (low, high)))  # anterior is up


def _label(axis: Axes, plane: Plane, title: str) -> None:
    axis.set_xlabel(f"mm to {TOWARDS[plane.right]}", labelpad=1)
    axis.set_ylabel(f"{title}\nmm to {TOWARDS[plane.vertical]}" if title else f"mm to {TOWARDS[plane.vertical]}")


def _arrows(
    axis: Axes, backdrop: Backdrop, plane: Plane, displacement: np.ndarray, colours: ScalarMappable, scale: float
) -> None:
    at = backdrop.centre[plane.across]
    shown = np.zeros(plane.cut(backdrop.volume, at).shape, bool)
    shown[STEP_VOX // 2 :: STEP_VOX, STEP_VOX // 2 :: STEP_VOX] = True
    shown &= plane.cut(backdrop.volume, at) > 0
    right, vertical = np.meshgrid(backdrop.millimetres(plane.right), backdrop.millimetres(plane.vertical))
    cut = plane.cut(displacement, at)
    axis.quiver(
        right[shown],
        vertical[shown],
        cut[plane.right][shown],
        cut[plane.vertical][shown],
        color=colours.to_rgba(np.linalg.norm(cut, axis=0)[shown]),
        angles="xy",
        scale_units="xy",
        scale=1 / scale,
        width=0.012,
        headwidth=3.5,
        headlength=4,
        headaxislength=3.5,
    )


def _outlines(axis: Axes, backdrop: Backdrop, plane: Plane, warped: np.ndarray) -> None:
    at = backdrop.centre[plane.across]
    ticks = backdrop.millimetres(plane.right), backdrop.millimetres(plane.vertical)
    for maps, colour in ((backdrop.segments, ORIGINAL), (warped, WARPED)):
        for cut in plane.cut(maps, at):
            if cut.max() > 0.5 > cut.min():
                axis.contour(*ticks, cut, [0.5], colors=[colour], linewidths=1.2)


def _outline_legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=colour, label=label)
        for colour, label in ((ORIGINAL, "the case's segments"), (WARPED, "warped by the component"))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
