"""How far a point ends from itself after the transform and its inverse."""

import numpy as np
import SimpleITK as sitk

from regexplain.results import metrics
from regexplain.volumes.geometry import Grid

from .GlyphLayer import niceCeiling
from .MapLayer import MapLayer
from .TransformMap import onTissue, transformOf


class InverseConsistencyLayer(MapLayer):
    """mm from there and back, over the fixed scan's tissue that the transform leads into the moving scan."""

    key, title, unit = "inverse consistency", "There and back", "mm from there and back"
    pictureName = "inverse-consistency"

    def _image(self):
        fixed, transform = transformOf(self.resultNodes, "transform.h5")
        _, inverse = transformOf(self.resultNodes, "inverse_transform.h5")
        moving = Grid.of(sitk.ReadImage(str(self.resultNodes.folder.require("moving.nii.gz"))))
        return onTissue(fixed, lambda grid: np.nan_to_num(metrics.inverse_error(transform, inverse, grid, moving)))

    def _scale(self, image):
        return 0.0, niceCeiling(float(sitk.GetArrayViewFromImage(image).max()))
