"""SimpleITK to MRML: nothing of the geometry is lost."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import slicer
from mrml.checks import LPS, NEAR_MM, check_place, inside_points, through_nodes
from RegExplainLib.MRML import Conversion
from RegExplainLib.MRML.Segments import volumesMl
from synthetic_result import grid_points, make_grid, rotation, to_image

angles = st.floats(-180, 180).map(lambda degrees: round(degrees, 6))  # ITK cannot invert subnormal numbers
sizes = st.tuples(*[st.integers(2, 7)] * 3)
spacings = st.tuples(*[st.floats(0.3, 6)] * 3)
offsets = st.tuples(*[st.floats(-300, 300)] * 3)
grids = st.builds(
    lambda size, spacing, centre, a, b, c, flips, order: make_grid(
        size, spacing, (rotation(a, 0) @ rotation(b, 1) @ rotation(c, 2) * flips)[:, order], centre
    ),
    *(sizes, spacings, offsets, angles, angles, angles),
    st.tuples(*[st.sampled_from((-1, 1))] * 3),
    st.permutations(range(3)),
)
same_scene = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_scene
@given(grid=grids)
def test_every_voxel_of_a_volume_stays_where_it_is_on_any_grid(scene, grid):
    image = to_image(np.arange(grid.GetNumberOfPixels()), grid, np.float32)
    check_place(Conversion.addVolume(scene, image, "Volume"), image)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_voxels_of_any_type_keep_their_values(scene, truth, kind):
    image = to_image(
        np.arange(truth.moving.GetNumberOfPixels()) % 120 - 60 * (np.dtype(kind).kind != "u"), truth.moving, kind
    )
    node = Conversion.addVolume(scene, image, "Volume")
    check_place(node, image)
    assert slicer.util.arrayFromVolume(node).dtype == kind


@same_scene
@given(grid=grids)
def test_a_grid_transform_moves_points_as_itk_does_on_any_grid(scene, grid):
    points = grid_points(grid)
    displacement = to_image(np.sin(points / 9.0 + (0, 1, 2)), grid, np.float64)
    node = Conversion.addGridTransform(scene, displacement, "Deformation")
    inside = inside_points(grid, 30)
    itk = sitk.DisplacementFieldTransform(sitk.Image(displacement))
    expected = np.array([itk.TransformPoint(point.tolist()) for point in inside])
    np.testing.assert_allclose(through_nodes(inside, None, node), expected, atol=NEAR_MM)


def test_a_grid_transform_moves_nothing_outside_its_grid(scene, truth):
    displacement = to_image(np.full((truth.fixed.GetNumberOfPixels(), 3), 5.0), truth.fixed, np.float64)
    node = Conversion.addGridTransform(scene, displacement, "Deformation")
    outside = truth.centre + 100 * np.eye(3)
    np.testing.assert_allclose(through_nodes(outside, None, node), outside, atol=1e-9)
    np.testing.assert_allclose(through_nodes(outside, node, None), outside, atol=1e-9)


def test_a_thinned_grid_transform_keeps_the_vectors_that_it_keeps(scene, truth):
    points = grid_points(truth.fixed)
    displacement = to_image(truth.displacement(points), truth.fixed, np.float64)
    node = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformFromParent(Conversion.gridTransform(displacement, displacement.GetNumberOfPixels() // 8))
    kept = displacement[::2, ::2, ::2]
    assert kept.GetNumberOfPixels() <= displacement.GetNumberOfPixels() // 8
    expected = grid_points(kept) + sitk.GetArrayFromImage(kept).reshape(-1, 3)
    np.testing.assert_allclose(through_nodes(grid_points(kept), None, node), expected, atol=NEAR_MM)
    np.testing.assert_allclose(
        Conversion.gridOf(node)[0].reshape(-1, 3) * LPS, sitk.GetArrayFromImage(kept).reshape(-1, 3)
    )


def test_a_linear_transform_moves_points_as_itk_does(scene, truth):
    node = Conversion.addLinearTransform(scene, truth.alignment, "Alignment")
    points = inside_points(truth.fixed)
    expected = np.array([truth.alignment.TransformPoint(point.tolist()) for point in points])
    np.testing.assert_allclose(through_nodes(points, None, node), expected, atol=1e-9)


def test_every_label_becomes_a_segment_of_exactly_its_voxels(scene, truth):
    labels = sitk.ReadImage(str(truth.folder / "fixed_segmentation.nii.gz"))
    volume = Conversion.addVolume(scene, labels, "Volume")
    node = Conversion.addSegmentation(scene, labels, "Segmentation", (0.1, 0.2, 0.3))
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["Segment_1", "Segment_2"]
    for label in (1, 2):
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, f"Segment_{label}", volume)
        np.testing.assert_array_equal(mask > 0, sitk.GetArrayFromImage(labels) == label)
        segment = node.GetSegmentation().GetSegment(f"Segment_{label}")
        assert segment.GetName() == f"Segment {label}"
        np.testing.assert_allclose(segment.GetColor(), (0.1, 0.2, 0.3))


@pytest.mark.parametrize("number", [7, 300, 70_000, 312_782_546])
def test_a_segment_keeps_its_label_value_and_its_name_also_in_a_saved_scene(scene, truth, tmp_path, number):
    """Label values above 65535 are those of brain atlases."""
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(truth.folder / "fixed_segmentation.nii.gz"))).astype(np.uint32)
    numbered = (values == 1) * np.uint32(number) + (values == 2) * np.uint32(2)
    labels = to_image(numbered.ravel(), truth.fixed, np.uint32)
    node = Conversion.addSegmentation(scene, labels, "Segmentation", (0.1, 0.2, 0.3), {number: "Hippocampus, left"})
    path = str(tmp_path / "saved.seg.nrrd")
    storage = slicer.vtkMRMLSegmentationStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(path)
    assert storage.WriteData(node)
    again = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "again")
    assert storage.ReadData(again)
    for segmentation in (node.GetSegmentation(), again.GetSegmentation()):
        found = {segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())}
        assert {(s.GetLabelValue(), s.GetName()) for s in found} == {(number, "Hippocampus, left"), (2, "Segment 2")}
    before, after = volumesMl(node), volumesMl(again)
    assert before == pytest.approx(after) and set(before) == {number, 2} and min(before.values()) > 0


def test_a_label_map_without_labels_becomes_a_segmentation_without_segments(scene, truth):
    node = Conversion.addSegmentation(scene, truth.fixed, "Empty", (1, 0, 0))
    assert node.GetSegmentation().GetNumberOfSegments() == 0
