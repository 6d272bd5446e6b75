"""How much the tissue at each place grows or shrinks."""

import numpy as np
import SimpleITK as sitk

from regexplain.transforms.jacobians import jacobian_determinant

from .MapLayer import MapLayer, interpolateColors
from .TransformMap import onTissue, transformOf

# From white to blue and to red, which the colour-blind tell apart.
SHRINKS = ((0.97, 0.97, 0.97), (0.57, 0.77, 0.87), (0.13, 0.40, 0.67), (0.02, 0.19, 0.38))
GROWS = ((0.97, 0.97, 0.97), (0.96, 0.65, 0.51), (0.70, 0.09, 0.17), (0.40, 0.00, 0.12))
FOLDED = (1.0, 0.95, 0.0)
SCALE_ENDS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)  # of the scale: that many times the volume, or that part of it
COVERED_PERCENT = 99.5  # per cent of the tissue


class JacobianLayer(MapLayer):
    """det J of the whole transform: the volume that 1 mm³ of the fixed scan has in the moving one. White is 1.

    Blue shrinks, red grows; the colours go by the logarithm, so that half and double are equally strong. Yellow is
    folded: no volume, or turned inside out. Only the fixed scan's tissue is coloured.
    """

    key, title, unit = "jacobian", "Volume change", "volume of 1 mm³, ×"
    pictureName = key
    defaultThreshold = 0.1
    labels = 5

    def _image(self):
        fixed, transform = transformOf(self.resultNodes, "transform.h5")
        return onTissue(fixed, lambda grid: jacobian_determinant(transform.itk(), grid), outside=1.0)

    def _scale(self, image):
        values = sitk.GetArrayViewFromImage(image)
        logarithms = np.abs(np.log(values[(values > 0) & (values != 1)]))
        reached = np.exp(np.percentile(logarithms, COVERED_PERCENT)) if logarithms.size else 1.0
        return 0.0, next((end for end in SCALE_ENDS if end >= reached), SCALE_ENDS[-1])

    def _colorsOf(self, values, end):
        folded = values <= 0
        shares = np.log(np.where(folded, 1 / end, values)) / np.log(end)
        colors = np.where(shares[:, None] > 0, interpolateColors(GROWS, shares), interpolateColors(SHRINKS, -shares))
        return np.where(folded[:, None], FOLDED, colors), shares
