"""What maps made from a result's transforms share."""

import numpy as np
import SimpleITK as sitk

from regexplain.errors import BadInputError
from regexplain.transforms.itk import read_transform
from regexplain.volumes.geometry import Grid, subsampling_step
from regexplain.volumes.intensities import tissue_mask

VOXEL_LIMIT = 2_000_000  # of a larger scan every n-th voxel, or a user would wait for seconds


def transformOf(resultNodes, name):
    """(the fixed scan, the RegistrationTransform in that file of the result). Raises BadInputError without them."""
    paths = [resultNodes.folder and resultNodes.folder.file(file) for file in ("fixed.nii.gz", name)]
    if not all(paths):
        raise BadInputError(
            f"This map is made from {name} and the fixed scan of the result; open the result folder again, or register "
            "again."
        )
    return sitk.ReadImage(str(paths[0])), read_transform(paths[1])


def onTissue(fixed, measure, outside=0.0):
    """`measure(grid)`, (z, y, x), as a float32 image about the fixed scan, with `outside` where that has no tissue."""
    step = subsampling_step(fixed.GetSize(), VOXEL_LIMIT)
    subsampled = fixed[::step, ::step, ::step]
    grid = Grid.of(subsampled)
    values = np.where(tissue_mask(subsampled), measure(grid), outside)
    return grid.image(values.astype(np.float32))
