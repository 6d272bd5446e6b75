import numpy as np
import pytest
import SimpleITK as sitk

from equivalent_scans import REORDERINGS, points_in, reoriented, rotation, transform_points, with_moved_header
from regexplain.errors import BadInputError
from regexplain.transforms.affine_registration import register_affine
from regexplain.transforms.alignment import align_centres, alignment_parameters, check_overlap
from regexplain.transforms.itk import affine_transform, grid_points
from regexplain.volumes.geometry import Grid


def head(size=(60, 70, 24), spacing=(3.0, 3.0, 8.0)) -> sitk.Image:
    """A lopsided head with structure inside, thick slices."""
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    x, y, z = np.moveaxis(grid_points(Grid.of(image)) - Grid.of(image).centre, -1, 0)
    skull = (x / 65) ** 2 + ((y - 0.1 * z) / 85) ** 2 + (z / 75) ** 2
    values = 100.0 * (skull < 1) + 60.0 * (skull < 0.75)
    for centre, radius, value in (((25, 30, 10), 18, 90), ((-20, -25, -15), 22, -70), ((5, 45, -30), 14, 50)):
        values += value * (((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2) < radius**2)
    made = Grid.of(image).image(values.astype(np.float32))
    return sitk.DiscreteGaussian(made, 9.0)


def moved(image: sitk.Image, matrix: np.ndarray, shift) -> tuple[sitk.Image, sitk.AffineTransform]:
    """The scan of a patient who lies elsewhere in the scanner, and the true map of fixed to moving points."""
    centre = Grid.of(image).centre
    truth = affine_transform(matrix, centre - matrix @ centre + shift)
    return sitk.Resample(image, image, truth.GetInverse()), truth


@pytest.mark.slow
def test_a_known_rotation_and_shift_are_recovered():
    fixed = head()
    moving, truth = moved(fixed, rotation((0.2, 0.3, 1.0), 15), np.array([12.0, -8.0, 10.0]))
    points = points_in(fixed)
    before = np.linalg.norm(
        transform_points(align_centres(fixed, moving), points) - transform_points(truth, points), axis=1
    )
    after = np.linalg.norm(
        transform_points(register_affine(fixed, moving).transform, points) - transform_points(truth, points), axis=1
    )
    assert before.mean() > 10
    assert after.mean() < 1.0  # a third of a voxel in the plane


@pytest.mark.ci
@pytest.mark.slow
def test_storage_order_and_oblique_headers_change_no_affine_answer():
    fixed = head()
    moving, _ = moved(fixed, rotation(degrees=8), np.array([6.0, 4.0, -5.0]))
    points = points_in(fixed)
    expected = transform_points(register_affine(fixed, moving).transform, points)
    a, b = rotation(degrees=20), rotation((1, 0, 1), -15)
    stored = reoriented(fixed), reoriented(moving, (2, 0, 1), (True, False, True))
    oblique = register_affine(with_moved_header(stored[0], a), with_moved_header(stored[1], b)).transform
    assert np.abs(transform_points(oblique, points @ a.T) - expected @ b.T).max() < 0.1


def test_centring_lays_middle_on_middle_and_axis_on_axis():
    fixed, moving = head(), with_moved_header(head((40, 50, 60), (2.0, 2.0, 2.0)), rotation(degrees=30), (100, 0, 0))
    alignment = align_centres(fixed, moving)
    assert np.allclose(alignment.TransformPoint(Grid.of(fixed).centre.tolist()), Grid.of(moving).centre)
    assert np.allclose(np.array(alignment.GetMatrix()).reshape(3, 3), rotation(degrees=30))


@pytest.mark.parametrize("size", [(9, 8, 7), (8, 8, 8), (12, 11, 14)])
def test_centring_lays_voxels_of_one_size_on_voxels(size):
    fixed = sitk.Image([9, 9, 8], sitk.sitkFloat32)
    moving = with_moved_header(sitk.Image(size, sitk.sitkFloat32), rotation(degrees=30))
    for copy in (moving, *(reoriented(moving, *r) for r in REORDERINGS)):
        alignment, own = align_centres(fixed, copy), Grid.of(copy)
        onto = copy.TransformPhysicalPointToContinuousIndex(alignment.TransformPoint((4.0, 3.0, 2.0)))
        assert np.allclose(onto, np.rint(onto), atol=1e-6)
        apart = own.axes.T @ (alignment.TransformPoint(Grid.of(fixed).centre.tolist()) - own.centre)
        assert np.abs(apart).max() <= 0.5 + 1e-6


def test_an_alignment_is_described_in_degrees_and_millimetres():
    image = head()
    _, truth = moved(image, rotation(degrees=12) * 1.1, np.array([3.0, 0.0, 4.0]))
    said = alignment_parameters(truth, Grid.of(image))
    assert said["rotation_deg"] == pytest.approx(12)
    assert said["translation_mm"] == pytest.approx(5)
    assert said["scale"] == pytest.approx(1.1)


@pytest.mark.parametrize(
    "shift, words",
    [((0, 0, 500), "above"), ((0, 0, -500), "below"), ((500, 0, 0), "to the left of"), ((0, -500, 0), "in front of")],
)
def test_scans_without_common_ground_are_refused_with_how_they_lie(shift, words):
    with pytest.raises(BadInputError, match=f"mm {words} the fixed one"):
        check_overlap(head(), with_moved_header(head(), np.eye(3), shift))


def test_touching_scans_are_accepted():
    check_overlap(head(), with_moved_header(head(), rotation(degrees=45), (100, 0, 0)))
