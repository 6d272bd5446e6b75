"""`group.html`, complete in itself: the answer, a point a pair, and a table. Vega-Lite draws the points."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..report import page as report
from ..report.formatting import percent
from .work import THUMBNAIL

PLOTS = {  # column → title; what is known before and after is drawn to one scale
    "dice_before": "Dice before",
    "dice_after": "Dice after",
    "likeness_information_before": "Mutual information before (nats)",
    "likeness_information_after": "Mutual information after (nats)",
    "landmarks_distance_mm_before_mean": "Landmarks apart before (mm)",
    "landmarks_distance_mm_after_mean": "Landmarks apart after (mm)",
    "displacement_mm_mean": "Moved on average, beyond the alignment (mm)",
    "jacobian_share_folded": "Folded share",
    "jacobian_log_sd": "Spread of log det J",
    "inverse_consistency_mm_p95": "There and back, 95 % within (mm)",
    "expected_error_mm_mean": "Expected error (mm)",
    "trust_symmetry_value": "Trust: symmetry (mm)",
    "trust_complementarity_value": "Trust: complementarity",
    "trust_homogeneity_value": "Trust: homogeneity",
}
SHOWN = {  # in the table
    "dice_before": "Dice before",
    "dice_after": "Dice after",
    "likeness_information_before": "MI before",
    "likeness_information_after": "MI after",
    "landmarks_distance_mm_after_mean": "Landmarks mm",
    "displacement_mm_mean": "Moved mm",
    "jacobian_share_folded": "Folded",
    "inverse_consistency_mm_p95": "There and back mm",
}
COLOURS = {"none stands out": "#0072b2", "look": "#e69f00", "outlier": "#c1272d"}
MAX_THUMBNAILS = 2000  # more make a file that opens slowly
MAX_GROUPS = 12  # values of a column whose pairs are drawn in rows of their own


def write_page(
    study: Path, rows: list[dict[str, Any]], user_columns: Sequence[str], failed: dict[str, tuple[str, str]]
) -> None:
    """rows: as of group.tsv. user_columns: the columns among them that come from the user's own table."""
    from vl_convert import javascript_bundle

    groups = {name: labels for name in user_columns if (labels := grouped([row.get(name, "") for row in rows]))}
    plots = {name: title for name, title in PLOTS.items() if any(name in row for row in rows)}
    points = [
        {"id": row["id"], "look": row["look"] or "nothing", "outlier": row["outlier"] or "no", "report": _report(row)}
        | {f"by_{name}": labels[index] for name, labels in groups.items()}
        | {name: row[name] for name in plots if name in row}
        for index, row in enumerate(rows)
    ]
    environment = report.templates(Path(__file__).parent, Path(report.__file__).parent)
    html = environment.get_template("group.html.j2").render(
        rows=rows,
        failed=failed,
        user_columns=user_columns,
        looks=Counter(name for row in rows for name in row["look"].split(", ") if name),
        to_look_at=sum(bool(row["look"]) for row in rows),
        outliers=sum(bool(row["outlier"]) for row in rows),
        shown={name: title for name, title in SHOWN.items() if name in plots},
        thumbnails=_thumbnails(study, rows),
        report_of=_report,
        population=(study / "population" / "report.html").is_file(),
        percent=percent,
        spec=embedded_json(specification(points, plots, list(groups))),
        vega=javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script"),
    )
    partial = study / ".group.html"
    partial.write_text(html, encoding="utf-8")
    partial.replace(study / "group.html")


def grouped(values: list[str]) -> list[str]:
    """The group of each pair by one column: its value, or of many numbers its third; empty where neither tells."""
    if len(set(values)) < 2:
        return []
    if len(set(values)) <= MAX_GROUPS:
        return [value or "n/a" for value in values]
    try:
        numbers = np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return []
    low, high = np.nanpercentile(numbers, (100 / 3, 200 / 3))
    names = [f"lower third, to {low:.4g}", f"middle third, to {high:.4g}", "upper third", "n/a"]
    return [names[3 if np.isnan(number) else int(number > low) + int(number > high)] for number in numbers]


def specification(points: list[dict[str, Any]], plots: dict[str, str], groups: list[str]) -> dict[str, Any]:
    """Of Vega-Lite: a strip of points for each of `plots`, in rows by the column that is chosen."""
    fields = [{"field": "id", "title": "pair"}, {"field": "look"}, {"field": "outlier"}]
    strips = [
        {
            "title": title,
            "width": 460,
            "height": {"step": 46},
            "mark": {"type": "circle", "size": 42, "opacity": 0.65, "cursor": "pointer"},
            "encoding": {
                "x": {"field": name, "type": "quantitative", "title": None, "scale": _scale(name, points)},
                "y": {"field": "group", "type": "nominal", "title": None},
                "yOffset": {"field": "jitter", "type": "quantitative", "scale": {"domain": [-0.2, 1.2]}},
                "color": {
                    "field": "state",
                    "type": "nominal",
                    "scale": {"domain": list(COLOURS), "range": list(COLOURS.values())},
                    "legend": {"title": None, "orient": "top", "direction": "horizontal"},
                },
                "href": {"field": "report"},
                "tooltip": [*fields, {"field": name, "format": ".4g", "title": title}],
            },
            "transform": [{"filter": f"isValid(datum['{name}'])"}],
        }
        for name, title in plots.items()
    ]
    choices = {"input": "select", "name": "In rows by ", "options": ["", *(f"by_{name}" for name in groups)]}
    choices["labels"] = ["all together", *groups]
    return {
        "data": {"values": points},
        "params": [{"name": "rows", "value": "", **({"bind": choices | {"element": "#rows"}} if groups else {})}],
        "transform": [
            {"calculate": "rows ? datum[rows] : ''", "as": "group"},
            {"calculate": "random()", "as": "jitter"},
            {
                "calculate": "datum.outlier != 'no' ? 'outlier' : datum.look != 'nothing' ? 'look' : 'none stands out'",
                "as": "state",
            },
        ],
        "concat": strips,
        "columns": 2,
        "autosize": {"type": "pad", "resize": True},  # rows come and go
        "background": "transparent",
        "config": {"view": {"stroke": "#8884"}, "font": "system-ui, sans-serif"},
    }


def _scale(name: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    if name.startswith("dice"):
        return {"domain": [0, 1]}
    ends = {name.replace("_after", when).replace("_before", when) for when in ("_before", "_after")}
    values = [point[end] for point in points for end in ends if end in point]
    return {"domain": [min(values), max(values)], "zero": False, "nice": True}


def embedded_json(value: Any) -> str:
    """For a script element, which ends at the first </script whatever it lies in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _report(row: dict[str, Any]) -> str:
    return f"results/{row['id']}/report.html"


def _thumbnails(study: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Data URIs by id, of those that have one; none of a large study."""
    if len(rows) > MAX_THUMBNAILS:
        return {}
    pictures = {row["id"]: study / "results" / row["id"] / THUMBNAIL for row in rows}
    return {name: report.data_uri(path, "jpeg") for name, path in pictures.items() if path.is_file()}
