"""Charts of numbers: curves, box plots, intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib import rcParams
from matplotlib.figure import Figure

PAGE_WIDTH_IN = 7.0
TITLE_WIDTH = 18  # letters over a narrow panel
# Okabe and Ito: distinguishable with every kind of colour vision.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#767676"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
MARKERS = ("o", "s", "^", "D")
MANY_COLOURS, MANY_MARKERS = (GREY, *COLOURS), (".", *MARKERS)
rcParams.update({"font.size": 8, "axes.titlesize": 8, "axes.spines.top": False, "axes.spines.right": False})


def distributions(values: dict[str, np.ndarray], label: str) -> Figure:
    """A box with its points for each column. label: what is measured, with its unit."""
    figure = Figure(figsize=(PAGE_WIDTH_IN, 2.6), layout="constrained")
    axis = figure.subplots()
    axis.boxplot(list(values.values()), tick_labels=list(values), orientation="horizontal", showfliers=False)
    for place, (numbers, colour) in enumerate(zip(values.values(), COLOURS, strict=False)):
        spread = place + 1 + np.linspace(-0.15, 0.15, len(numbers))
        axis.plot(numbers, spread, "o", color=colour, markersize=3, alpha=0.7)
    axis.invert_yaxis()
    axis.set_xlabel(label)
    return figure


def curves(lines: dict[str, np.ndarray], points: dict[str, dict[int, float]], xlabel: str, ylabel: str) -> Figure:
    """Lines over 1, 2, …, in one colour up to the comma of their names, dashed for validation cases; crosses {x: y}."""
    figure = Figure(figsize=(PAGE_WIDTH_IN, 3.4), layout="constrained")
    axis = figure.subplots()
    groups = dict.fromkeys(name.partition(",")[0] for name in lines)
    colours = dict(zip(groups, COLOURS, strict=False))
    for name, values in lines.items():
        style = "--" if name.endswith("validation cases") else "-"
        axis.plot(range(1, len(values) + 1), values, style, color=colours[name.partition(",")[0]], label=name)
    for name, crosses in points.items():
        axis.plot(list(crosses), list(crosses.values()), "kx", markersize=8, markeredgewidth=2, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(1, None), ylim=(0, 101))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="lower right")
    return figure


def box_plots(panels: dict[str, np.ndarray], label: str, columns: int = 4) -> Figure:
    """A panel for each (N, K): K boxes of N values, the one with the largest median in colour."""
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(PAGE_WIDTH_IN, 2.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axis, (title, values) in zip(axes.ravel(), panels.items(), strict=False):
        drawn = axis.boxplot(
            values,
            patch_artist=True,
            widths=0.7,
            medianprops={"color": "black"},
            flierprops={"marker": ".", "markersize": 2},
        )
        strongest = np.median(values, 0).argmax()
        for index, box in enumerate(drawn["boxes"]):
            box.set_facecolor(ORANGE if index == strongest else "#d9e3ec")
        axis.set_title(fill(title, TITLE_WIDTH, break_on_hyphens=False))
        axis.set_ylim(bottom=0)
        axis.tick_params(axis="x", labelsize=6)
    for axis in axes[-1]:
        axis.set_xlabel("component")
    for axis in axes[:, 0]:
        axis.set_ylabel(label)
    return figure


def intervals(groups: Mapping[str, Sequence[tuple[float, float, float]]], names: Sequence[str], label: str) -> Figure:
    """A row a name; in it, one (value, low, high) for each group."""
    figure = Figure(figsize=(PAGE_WIDTH_IN, 0.42 * len(names) + 1), layout="constrained")
    axis = figure.subplots()
    for place, ((group, measures), colour, marker) in enumerate(zip(groups.items(), COLOURS, MARKERS, strict=False)):
        value, low, high = np.array(measures, float).T
        y = np.arange(len(names)) + (place - (len(groups) - 1) / 2) * 0.18
        axis.errorbar(
            value, y, xerr=[value - low, high - value], fmt=marker, color=colour, markersize=4, capsize=2, label=group
        )
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlabel(label)
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(groups), frameon=False)
    return figure


def stepwise(
    panels: Mapping[str, Mapping[str, tuple[Iterable[float], Sequence[Sequence[float]]]]], xlabel: str, ylabel: str
) -> Figure:
    """A panel a title; in it, lines by name: (x, [(value, low, high, …)]) with their intervals as bands."""
    figure, axes = _panels(len(panels))
    for axis, (title, lines) in zip(axes, panels.items(), strict=False):
        for (name, (x, measures)), colour, marker in zip(lines.items(), MANY_COLOURS, MANY_MARKERS, strict=False):
            value, low, high = np.array([tuple(m)[:3] for m in measures], float).T
            places = list(x)
            axis.plot(places, value, f"{marker}-", color=colour, markersize=3, label=name)
            axis.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.set(title=title, xlabel=xlabel)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(ylabel)
    _legend(figure, axes)
    return figure


def scatters(panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]], ylabel: str) -> Figure:
    """A panel for each quantity along x, its title; in it, points (x, y) by group."""
    figure, axes = _panels(len(panels))
    for axis, (title, groups) in zip(axes, panels.items(), strict=False):
        for (name, (x, y)), colour, marker in zip(groups.items(), MANY_COLOURS, MANY_MARKERS, strict=False):
            axis.plot(x, y, marker, color=colour, markersize=3, alpha=0.7, label=name)
        axis.set_xlabel(fill(title, 2 * TITLE_WIDTH))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(ylabel)
    _legend(figure, axes)
    return figure


def _panels(count: int, columns: int = 4) -> tuple[Figure, list]:
    across = min(count, columns)
    rows = -(-count // across)
    figure = Figure(figsize=(PAGE_WIDTH_IN, 2.4 * rows + 0.4), layout="constrained")
    return figure, list(figure.subplots(rows, across, squeeze=False).ravel())


def _legend(figure: Figure, axes: list) -> None:
    """One for all panels, which have the same lines."""
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(5, len(names)), frameon=False)
