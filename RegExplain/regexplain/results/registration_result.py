"""A registration in memory, with everything needed to explain, show and save it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..report import write_report
from ..transforms.itk import RegistrationTransform, read_transform
from ..volumes.geometry import Grid
from ..volumes.images import mask_image, write_image
from ..volumes.intensities import background_value
from .folder import ResultFolder, ResultPart, new_result

SEGMENTATIONS = ("fixed_segmentation", "moving_segmentation")
MASKS = ("fixed_mask", "moving_mask")
IMAGES = ("fixed", "moving", *SEGMENTATIONS, *MASKS, "warped_moving", "warped_moving_segmentation")


@dataclass
class RegistrationResult:
    """Segmentations and masks lie on their image's grid; what lies outside a mask was not looked at. `record` is what
    result.json holds (docs/result-folder.md). `inverse` may be its file, which is read where `inverse_transform` is
    used: few verbs do, and it is large."""

    fixed: sitk.Image
    moving: sitk.Image
    transform: RegistrationTransform
    inverse: RegistrationTransform | Path
    fixed_segmentation: sitk.Image | None = None
    moving_segmentation: sitk.Image | None = None
    record: dict[str, Any] = field(default_factory=dict)
    fixed_mask: sitk.Image | None = None
    moving_mask: sitk.Image | None = None

    @cached_property
    def inverse_transform(self) -> RegistrationTransform:
        """Maps moving-space to fixed-space points. Raises BadInputError for a file that is no transform."""
        return read_transform(self.inverse) if isinstance(self.inverse, Path) else self.inverse

    def masked(self) -> RegistrationResult:
        """The same of the images as the network saw them: dark outside their masks."""
        masked = mask_image(self.fixed, self.fixed_mask), mask_image(self.moving, self.moving_mask)
        return replace(self, fixed=masked[0], moving=masked[1])

    @property
    def warped_moving(self) -> sitk.Image:
        """The moving image on the fixed grid, in its own pixel type; outside of it lies its background."""
        return Grid.of(self.fixed).resample(self.moving, self.transform.itk(), outside=background_value(self.moving))

    @property
    def warped_moving_segmentation(self) -> sitk.Image | None:
        if self.moving_segmentation is None:
            return None
        return Grid.of(self.fixed).resample(self.moving_segmentation, self.transform.itk(), nearest=True)

    def save(self, path: str | Path, overwrite: bool = False, parts: Sequence[ResultPart] = ()) -> ResultFolder:
        """Write the result folder with these parts, whole or not at all. Raises BadInputError where it exists, unless
        `overwrite`."""
        with new_result(path, self.record, overwrite) as staging:
            for name in IMAGES:
                image = getattr(self, name)
                if image is not None:
                    write_image(image, staging / f"{name}.nii.gz")
            self.transform.write(staging / "transform.h5")
            self.inverse_transform.write(staging / "inverse_transform.h5")
            for part in parts:
                part.add_to(self.record, staging, staging)
            write_report(ResultFolder(staging, self.record))
        return ResultFolder.open(path)

    @classmethod
    def load(cls, path: str | Path) -> RegistrationResult:
        """Raises BadInputError where `path` is no complete result."""
        folder = ResultFolder.open(path)
        labels = {name: folder.file(f"{name}.nii.gz") for name in (*SEGMENTATIONS, *MASKS)}
        return cls(
            sitk.ReadImage(str(folder.require("fixed.nii.gz"))),
            sitk.ReadImage(str(folder.require("moving.nii.gz"))),
            read_transform(folder.require("transform.h5")),
            folder.require("inverse_transform.h5"),
            record=folder.record,
            **{name: sitk.ReadImage(str(path)) for name, path in labels.items() if path is not None},
        )
