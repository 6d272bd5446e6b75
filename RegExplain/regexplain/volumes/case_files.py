"""Files of a data set whose cases have numbers in their names."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import BadInputError


def numbered_cases(images: Path, segmentations: Path, first: int, last: int) -> list[tuple[Path, Path]]:
    """(image, segmentation) of the same file name, its number in first … last, ascending. Raises BadInputError."""
    cases = [
        (image, segmentations / image.name)
        for image in sorted(images.glob("*.nii.gz"))
        if first <= case_number(image) <= last and (segmentations / image.name).exists()
    ]
    if not cases:
        raise BadInputError(f"No cases {first}–{last} in {images}; check the configuration.")
    return cases


def case_number(path: Path) -> int:
    """The last number in the file's name; -1 without one."""
    digits = re.findall(r"\d+", path.name.split(".")[0])
    return int(digits[-1]) if digits else -1
