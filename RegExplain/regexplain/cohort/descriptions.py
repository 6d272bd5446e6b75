"""What the columns of a study's tables mean, as BIDS describes columns: a JSON beside each TSV."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

COLUMNS = {
    "id": "The pair, and the name of its folder in results",
    "kind": "deformable or affine; in segments.tsv: segment (given) or region (seen by the network itself)",
    "model": "The model that made the result; none where it is affine only or was made elsewhere",
    "verdict": "nothing stands out, look here or do not use: the worst of the report's checks (docs/trust.md)",
    "look": "The report's checks that stand out",
    "warnings": "How many warnings the report holds",
    "notes": "What was asked for and has no answer for this pair",
    "outlier": "Figures that lie apart from those of the other pairs, by the rule on group.html",
    "label": "Number of the segment in the fixed segmentation, or of the region on the model's card",
    "name": "Its name, where the file or the model has one",
}
PREFIXES = {  # the longest that fits
    "dice_before": ("Dice of the segments before anything was moved, their mean", ""),
    "dice_aligned": ("Dice of the segments after the alignment alone, their mean", ""),
    "dice_after": ("Dice of the segments after the registration, their mean", ""),
    "displacement_mm": ("How far the deformation moves a voxel, after the alignment", "mm"),
    "jacobian_min": ("Smallest Jacobian determinant", ""),
    "jacobian_mean": ("Mean Jacobian determinant", ""),
    "jacobian_share_folded": ("Share of voxels whose Jacobian determinant is not positive", ""),
    "jacobian_log_sd": ("Standard deviation of the logarithm of the Jacobian determinant", ""),
    "inverse_consistency_mm": ("How far a point is from itself after there and back", "mm"),
    "landmarks_distance_mm": ("Distance of corresponding landmarks", "mm"),
    "likeness_information": ("Mutual information of the images on coarse cells", "nats"),
    "likeness_gradients": ("Mean squared cosine of the images' gradients on coarse cells", ""),
    "alignment_rotation_deg": ("Rotation of the alignment", "degrees"),
    "alignment_translation_mm": ("How far the alignment moves the middle of the fixed image", "mm"),
    "alignment_scale": ("Scaling of the alignment", ""),
    "seconds": ("Time taken", "s"),
    "volume_ml": ("Volume of the region", "ml"),
    "trust_symmetry": ("Disagreement of the network's forward and backward maps", "mm"),
    "trust_complementarity": ("Correlation of what the network uses of the two images", ""),
    "trust_homogeneity": ("How differently the network judges real and synthesised images", "logit"),
    "population": ("Where the image stands among the model's training images", ""),
    "decomposition": ("Of the registration taken apart into components, over the anatomy", "mm"),
    "transform": ("Of the transform that was made elsewhere", ""),
}
SUFFIXES = {"_mean": "mean", "_p95": "95th percentile", "_max": "maximum", "_before": "before", "_after": "after"}


def describe_columns(columns: Iterable[str], user_columns: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """A BIDS description of each column. user_columns: those of the user's own table."""
    from_user = set(user_columns)
    return {
        name: {"Description": "From the table of pairs"} if name in from_user else _describe(name) for name in columns
    }


def _describe(column: str) -> dict[str, Any]:
    if column in COLUMNS:
        return {"Description": COLUMNS[column]}
    matching = [prefix for prefix in PREFIXES if column.startswith(prefix)]
    if not matching:
        return {"Description": f"The figure {column} of result.json (docs/result-folder.md)"}
    prefix = max(matching, key=len)
    text, unit = PREFIXES[prefix]
    suffixes = [words for suffix, words in SUFFIXES.items() if suffix in column.removeprefix(prefix)]
    description = {"Description": f"{text}{': ' if suffixes else ''}{', '.join(suffixes)}"}
    return description | ({"Units": unit} if unit else {})
