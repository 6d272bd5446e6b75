"""A model's card as a page for people."""

from html import escape

from slicer.i18n import tr as _

AXES = ("left-right", "front-back", "up-down")


def cardHtml(card):
    """What the model is for, what it was trained on, and its limits; `card`: regexplain.cards.registry.ModelCard."""
    values = card.values
    rows = [
        (_("For"), values.get("intended_use")),
        (_("Limits"), values.get("limits")),
        (_("Modality"), values["domain"].get("modality")),
        (_("Size of the scan"), rangeText(values["domain"].get("extent_mm"))),
        (_("Voxels"), rangeText(values["domain"].get("spacing_mm"))),
        (_("Trained on"), values.get("data")),
        (_("Method"), values.get("reference")),
        (_("Licence"), values.get("licence")),
    ]
    title = escape(f"{card.name} {values.get('version', '')}: {values.get('title', '')}")
    listed = "".join(f"<p><b>{escape(name)}:</b> {escape(str(words))}</p>" for name, words in rows if words)
    return f"<p><b>{title}</b></p>{listed}"


def rangeText(limits):
    """ "28–46 mm left-right, …"; None where there is no limit."""
    if limits is None:
        return None
    ends = zip(AXES, limits["min"], limits["max"], strict=True)
    return ", ".join(f"{low:g}–{high:g} mm {_(axis)}" for axis, low, high in ends)
