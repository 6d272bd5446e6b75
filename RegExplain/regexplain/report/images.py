"""The two images of a result, as facts that tell nothing of whose they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..volumes.geometry import Grid
from .formatting import join_sizes
from .result import Result

DONE = {"affine": "is aligned", "deformable": "is deformed"}  # to the moving image, by the result's kind


def image_rows(folder: Result) -> list[dict[str, str]]:
    """A row an image; what is not known of it is a dash."""
    record, rows = folder.record, []
    titles = {"fixed": "Fixed (stays)", "moving": f"Moving ({DONE[record['kind']]})"}
    for role, title in titles.items():
        grid = grid_of(folder.file(f"{role}.nii.gz"))
        rows.append(
            {
                "title": title,
                "voxels": join_sizes(grid.size) if grid else "–",
                "spacing": join_sizes(f"{side:.2f}" for side in grid.spacing) + " mm" if grid else "–",
                "extent": join_sizes(f"{side:.0f}" for side in grid.extent) + " mm" if grid else "–",
                "segmentation": "yes" if folder.file(f"{role}_segmentation.nii.gz") else "no",
                "contrast": contrast(record.get("trust"), role),
            }
        )
    return rows


def grid_of(path: Path | None) -> Grid | None:
    """Where an image's voxels lie, from its header alone; None where there is no file."""
    if path is None:
        return None
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return Grid(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())


def contrast(trust: dict[str, Any] | None, role: str) -> str:
    """What the network takes the image for; empty where it was not asked."""
    return f"{trust['modalities'][role]} ({100 * trust['certainty'][role]:.0f} % certain)" if trust else ""
