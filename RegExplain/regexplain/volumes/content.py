"""What an image shows, as far as its values alone tell: what is no MR image fits no model that was made for MR."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

FEW_VALUES = 24  # a mask or a label map; images have more
AIR_HU = -1100.0, -900.0
AIR_SHARE = 0.02
PROBED = 200_000  # voxels


def not_mr(image: sitk.Image) -> str | None:
    """Why it cannot be an MR image, as a phrase; None where nothing speaks against it."""
    values = sitk.GetArrayViewFromImage(image)
    some = values.ravel()[:: max(1, values.size // PROBED)]
    if len(np.unique(some)) < FEW_VALUES and len(np.unique(values)) < FEW_VALUES:
        return "is a mask or a label map, not a scan"
    air = (some >= AIR_HU[0]) & (some <= AIR_HU[1])
    if air.mean() > AIR_SHARE and (some < AIR_HU[1]).mean() < 1 and some.max() > 0:
        return "has air at −1000, as CT has"
    return None
