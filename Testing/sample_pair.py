"""The project's own pair, read once."""

from functools import cache
from pathlib import Path

import SimpleITK as sitk

FOLDER = Path(__file__).resolve().parents[1] / "RegExplain" / "Resources" / "SampleData"


def file(name: str) -> Path:
    return FOLDER / f"{name}.nii.gz"


@cache
def image(name: str) -> sitk.Image:
    """fixed, moving, fixed_segmentation or moving_segmentation."""
    return sitk.ReadImage(str(file(name)))
