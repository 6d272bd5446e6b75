"""A whole registration played from 0 to 100 %."""

import numpy as np

from regexplain.volumes.geometry import subsampling_step

from .. import Conversion
from .Layer import noDeformationError
from .WarpLayer import WarpLayer

PERCENT = range(0, 101, 10)
FRAME_LIMIT_VOXELS = 48**3  # a frame of 1.3 MB, and a scene stores 11


class RegistrationAnimationLayer(WarpLayer):
    """From the fixed scan's shape (0 %) to the aligned moving scan's (100 %).

    Every point goes straight, u(x) times the percentage: a result does not keep the velocities of a curved way.
    """

    key, title, unit = "animation registration", "Registration", "%"
    pictureName = "animation-registration"

    def _frames(self):
        if self.resultNodes.deformation is None:
            raise noDeformationError(self.resultNodes.record, "there is nothing to play")
        return scaledFrames(*Conversion.gridOf(self.resultNodes.deformation))


def scaledFrames(vectors, geometry):
    """{percent: vtkOrientedGridTransform} of (z, y, x, 3) vectors, RAS mm, with their ijk-to-RAS matrix."""
    step = subsampling_step(vectors.shape[:3], FRAME_LIMIT_VOXELS)
    subsampled = np.array(vectors[::step, ::step, ::step])
    return {n: Conversion.gridOfVectors(n / 100 * subsampled, geometry, step, repeated=True) for n in PERCENT}
