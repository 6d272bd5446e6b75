"""`report.html`, complete in itself."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cards import registry
from ..cards.stages import default_scalar, stage_title
from ..errors import disk_errors
from . import captions, sentences, table_rows
from .formatting import heading, millimetres, percent
from .images import grid_of, image_rows
from .result import Result
from .verdict import checks, verdict

if TYPE_CHECKING:
    from jinja2 import Environment

CARD_FACTS = ("title", "version", "intended_use", "limits", "data", "licence", "reference")


def write_report(folder: Result) -> None:
    """Write `report.html`, whole or not at all, in place of the earlier one."""
    partial = folder.path / ".report.html"
    with disk_errors(folder.path):
        partial.write_text(render_report(folder), encoding="utf-8")
        partial.replace(folder.path / "report.html")


def render_report(folder: Result) -> str:
    """The page as HTML that needs no other file, no script and no network.

    It holds the folder's record and pictures, and facts of the model's card where that very model is installed.
    """
    environment = templates(Path(__file__).parent)
    environment.filters |= {"mm": millimetres, "percent": percent, "words": heading}
    environment.filters |= {"stage": stage_title, "scalar": default_scalar, "indicator": table_rows.indicator_row}
    card, grid = card_of(folder.record["model"]), grid_of(folder.file("fixed.nii.gz"))
    rows = checks(folder.record, min(grid.spacing) if grid else None, card is not None and card.has_indicators)
    return environment.get_template("report.html.j2").render(
        record=folder.record,
        headline=sentences.headline(folder.record),
        verdict=verdict(rows),
        checks=rows,
        studies=image_rows(folder),
        measures=table_rows.metric_rows(folder.record),
        pictures=embedded(folder) + views(folder),
        facts={key: card.values[key] for key in CARD_FACTS if key in card.values} if card else {},
        captions=captions,
        sentences=sentences,
        table_rows=table_rows,
    )


@cache
def templates(*folders: Path) -> Environment:
    """The templates of these folders, the first to have one; every value is escaped, and a missing one is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def card_of(model: dict[str, Any] | None) -> registry.ModelCard | None:
    """The card of the very model that made the result, where it is installed."""
    return registry.card_by_checksum(model["sha256"]) if model else None


def embedded(folder: Result) -> list[dict[str, str]]:
    """The PNGs of a result as data URIs, each with its caption and its subject.

    The subject is the first word of the file's name, of animations the second.
    """
    order = list(captions.CAPTIONS)
    stems = sorted(path.stem for path in folder.path.glob("pictures/*.png"))
    stems.sort(key=lambda stem: order.index(stem) if stem in order else len(order))
    return [
        {
            "subject": stem.removeprefix("animation-").partition("-")[0],
            "source": data_uri(folder.require(f"pictures/{stem}.png")),
            "caption": captions.caption(stem, folder.record),
        }
        for stem in stems
    ]


def views(folder: Result) -> list[dict[str, str]]:
    """Slicer's views as the panel took them; none where it never did."""
    return [
        {
            "subject": "view",
            "source": data_uri(png),
            "caption": captions.view_caption(view),
        }
        for view in folder.record.get("views", [])
        if (png := folder.file(view["file"]))
    ]


def data_uri(picture: Path, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(picture.read_bytes()).decode()
