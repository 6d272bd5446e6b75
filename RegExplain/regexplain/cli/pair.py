"""The two images that a verb compares, and their segmentations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import SimpleITK as sitk


def read_pair(
    fixed: Path, moving: Path, fixed_segmentation: Path | None, moving_segmentation: Path | None
) -> tuple[sitk.Image, sitk.Image, dict[str, sitk.Image]]:
    """(fixed, moving, the segmentations that there are, by the names of the API's arguments). Raises BadInputError."""
    from ..images import read_segmentation, read_volume

    images = {"fixed": read_volume(fixed, "fixed image"), "moving": read_volume(moving, "moving image")}
    labels = {"fixed": fixed_segmentation, "moving": moving_segmentation}
    segmentations = {
        f"{role}_segmentation": read_segmentation(path, images[role], f"{role} segmentation")
        for role, path in labels.items()
        if path
    }
    return images["fixed"], images["moving"], segmentations
