"""How far each place was moved, as colours."""

import numpy as np
import SimpleITK as sitk

from regexplain.volumes.geometry import subsampling_step

from ..Anatomy import Movement
from ..Conversion import LPS_TO_RAS
from .GlyphLayer import niceCeiling
from .Layer import noDeformationError
from .MapLayer import MapLayer, interpolateColors
from .TransformMap import VOXEL_LIMIT

COLORS = ((0.28, 0.10, 0.42), (0.55, 0.16, 0.50), (0.87, 0.32, 0.42), (0.99, 0.65, 0.45), (0.99, 0.95, 0.75))


class DisplacementLayer(MapLayer):
    """Length in mm of the displacement beyond the alignment, on the fixed scan's tissue.

    Of other colours than the arrows, which can be seen over it. It is made of the nodes alone.
    """

    key, title, unit = "displacement", "Displacement in mm", "mm"
    pictureName = key
    defaultThreshold = 0.0

    def _sceneData(self):
        if self.resultNodes.deformation is None:
            raise noDeformationError(self.resultNodes.record, "there is no displacement to show")
        size = self.resultNodes.fixed.GetImageData().GetDimensions()
        return Movement(self.resultNodes), subsampling_step(size, VOXEL_LIMIT)

    def _image(self, movement, step):
        lengths, place = movement.mm(step)
        image, toLps = sitk.GetImageFromArray(lengths.astype(np.float32)), LPS_TO_RAS @ place
        spacing = np.linalg.norm(toLps[:3, :3], axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetOrigin(toLps[:3, 3].tolist())
        image.SetDirection((toLps[:3, :3] / spacing).ravel().tolist())
        return image

    def _scale(self, image):
        return 0.0, niceCeiling(float(sitk.GetArrayViewFromImage(image).max()))

    def _colorsOf(self, values, end):
        shares = values / end
        return interpolateColors(COLORS, shares), shares
