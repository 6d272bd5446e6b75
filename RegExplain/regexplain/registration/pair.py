"""What a registration is given, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import BadInputError
from ..transforms.itk import as_affine
from ..volumes.geometry import Grid
from ..volumes.images import (
    check_volume,
    mask_image,
    resample_segmentation,
    resample_segmentation_pair,
    without_metadata,
)


@dataclass(frozen=True)
class ImagePair:
    """Two scans without their metadata. Segmentations and masks lie on their image's grid."""

    fixed: sitk.Image
    moving: sitk.Image
    fixed_segmentation: sitk.Image | None = None
    moving_segmentation: sitk.Image | None = None
    fixed_mask: sitk.Image | None = None
    moving_mask: sitk.Image | None = None

    @classmethod
    def checked(
        cls,
        images: tuple[sitk.Image, sitk.Image],
        segmentations: tuple[sitk.Image | None, sitk.Image | None],
        masks: tuple[sitk.Image | None, sitk.Image | None],
        warn: Callable[[str], None],
    ) -> ImagePair:
        """Each two are of fixed and of moving. Raises BadInputError."""
        fixed, moving = images
        check_volume(fixed, "fixed image")
        check_volume(moving, "moving image")
        of_fixed, of_moving, matched = resample_segmentation_pair(*segmentations, images)
        fixed_mask = _resample_mask(masks[0], fixed, "fixed mask")
        moving_mask = _resample_mask(masks[1], moving, "moving mask")
        if matched:
            warn(matched)
        return cls(without_metadata(fixed), without_metadata(moving), of_fixed, of_moving, fixed_mask, moving_mask)

    @property
    def masks(self) -> dict[str, Any]:
        """By the names of arguments."""
        return {"fixed_mask": self.fixed_mask, "moving_mask": self.moving_mask}

    @cached_property
    def masked(self) -> tuple[sitk.Image, sitk.Image]:
        """Fixed and moving, dark outside of their masks."""
        return mask_image(self.fixed, self.fixed_mask), mask_image(self.moving, self.moving_mask)

    @cached_property
    def grids(self) -> dict[str, Grid]:
        return {"fixed": Grid.of(self.fixed), "moving": Grid.of(self.moving)}


def check_initial_transform(transform: sitk.Transform | None) -> sitk.AffineTransform | None:
    """A given transform as an affine. Raises BadInputError where it bends or cannot be undone."""
    if transform is None:
        return None
    if not transform.IsLinear():
        raise BadInputError(
            "The initial transform is not linear; give a rigid or affine one (harden the rest into "
            "the moving image first)."
        )
    linear = as_affine(transform)
    if abs(np.linalg.det(np.array(linear.GetMatrix()).reshape(3, 3))) < 1e-6:
        raise BadInputError("The initial transform flattens space (its determinant is 0); give an invertible one.")
    return linear


def _resample_mask(mask: sitk.Image | None, image: sitk.Image, role: str) -> sitk.Image | None:
    return None if mask is None else resample_segmentation(mask, image, role)
