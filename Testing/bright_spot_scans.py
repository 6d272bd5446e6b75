"""Scans whose heatmaps have a known answer: each one bright spot, at a known place."""

import numpy as np
import SimpleITK as sitk

from equivalent_scans import reoriented, rotation, with_moved_header
from regexplain.results.registration_result import RegistrationResult
from regexplain.transforms.itk import RegistrationTransform, affine_transform
from regexplain.volumes.geometry import Grid, canvas_around


def bright_spot_result(fixed_index, moving_index) -> tuple[RegistrationResult, dict[str, np.ndarray]]:
    """Oblique, anisotropic scans under an alignment that turns, and where the spots are, LPS mm.

    The indices (x, y, z) are on a canvas of 16³ voxels of 2 mm about the fixed scan; the moving scan's goes on through
    the alignment.
    """
    blank = sitk.Image([40, 32, 16], sitk.sitkFloat32)
    blank.SetSpacing((0.8, 1.0, 2.0))
    fixed_grid = with_moved_header(reoriented(blank), rotation(degrees=15), (30.0, -10.0, 5.0))
    alignment = affine_transform(rotation((0, 0, 1), 12), (4.0, 7.0, -3.0))
    moving_grid = with_moved_header(blank, rotation((1, 0, 0), 10))
    canvas = canvas_around(fixed_grid, (16, 16, 16), (2.0, 2.0, 2.0))
    # The moving grid's middle lies where the alignment puts the canvas' middle.
    middle = np.array(alignment.TransformPoint(canvas.centre.tolist()))
    moving_grid.SetOrigin(np.array(moving_grid.GetOrigin()) + middle - Grid.of(moving_grid).centre)
    here, there = (canvas.world(np.array(index)) for index in (fixed_index, moving_index))
    spots = {"fixed": here, "moving": np.array(alignment.TransformPoint(there.tolist()))}
    images = bright_spot(spots["fixed"], fixed_grid), bright_spot(spots["moving"], moving_grid)
    return RegistrationResult(*images, RegistrationTransform(alignment), RegistrationTransform(alignment)), spots


def bright_spot(at: np.ndarray, grid: sitk.Image) -> sitk.Image:
    """A Gaussian spot of 2 mm at an LPS point."""
    geometry = grid.GetOrigin(), grid.GetSpacing(), grid.GetDirection()
    return sitk.GaussianSource(sitk.sitkFloat32, grid.GetSize(), [2.0] * 3, at.tolist(), 100.0, *geometry, False)


def hottest_point(heatmap: sitk.Image) -> np.ndarray:
    """LPS mm: the middle of what is hottest in a map."""
    values = np.maximum(sitk.GetArrayFromImage(heatmap).astype(float), 0)
    values[values < 0.6 * values.max()] = 0
    index = [(i * values).sum() / values.sum() for i in np.indices(values.shape)[::-1]]
    return Grid.of(heatmap).world(np.array(index))
