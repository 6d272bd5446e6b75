"""Colour bars: one rule for all. Slicer draws them as color legends."""

import textwrap

import slicer

SIZE = 0.18, 0.37  # share of the view that one takes, its title included
RIGHT = 0.98
BOTTOMS = {"glyphs": 0.06, "map": 0.55}  # by kind of layer: clear of the texts in a view's corners, and of each other
CHARACTERS = 12  # a line: Slicer sets type as large as the bar's width lets it, so all lines have as many
TITLE_LINES = 3
LABEL_FORMAT = f"%{CHARACTERS - 3}.2g"


def addColorBar(display, kind, title, labels=3):
    """A bar for a display node of a layer of that kind ("map" or "glyphs"); out of sight until it is shown."""
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(display)
    legend.SetSize(*SIZE)
    legend.SetPosition(RIGHT, BOTTOMS[kind] / (1 - SIZE[1]))
    legend.SetNumberOfLabels(labels)
    legend.SetLabelFormat(LABEL_FORMAT)
    for style in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        style.SetFontFamilyToCourier()
    setTitle(display, title)
    legend.SetVisibility(False)


def setTitle(display, title):
    lines = [line for paragraph in title.splitlines() for line in textwrap.wrap(paragraph, CHARACTERS)][:TITLE_LINES]
    padded = [line.rjust(CHARACTERS) for line in [""] * (TITLE_LINES - len(lines)) + lines]
    if legend := _legendOf(display):
        legend.SetTitleText("\n".join(padded))


def showColorBar(display, shown):
    """To be called after the layer's own change: a legend follows a view's changes only where they are made in Slicer's
    controls, but always its own."""
    if legend := _legendOf(display):
        legend.SetVisibility(shown)
        legend.Modified()


def _legendOf(display):
    return slicer.modules.colors.logic().GetColorLegendDisplayNode(display)
