"""A result folder in the scene: where things lie, what comes back, what goes away."""

import numpy as np
import pytest
import SimpleITK as sitk

import slicer
from mrml.checks import LPS, check_chain, check_place, inside_points, like, node_ids
from regexplain.errors import BadInputError
from RegExplainLib.MRML import Conversion
from RegExplainLib.MRML.ResultNodes import ResultNodes, readFiles
from synthetic_result import write_synthetic_result


def items(scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene).GetNumberOfItems()


def test_points_go_through_the_nodes_as_through_transform_h5(result, truth):
    check_chain(result, truth)


@pytest.mark.parametrize("role", ["fixed", "moving", "warped_moving"])
def test_each_volume_lies_where_its_file_says(result, truth, role):
    node = result.node({"warped_moving": "warpedMoving"}.get(role, role))
    check_place(node, sitk.ReadImage(str(truth.folder / f"{role}.nii.gz")))


def test_the_moving_volume_stays_where_its_scanner_put_it_unless_asked(result):
    assert result.moving.GetParentTransformNode() is None
    result.showMovingWarpedLive(True)
    assert result.moving.GetParentTransformNode() is result.alignment
    assert result.movingSegmentation.GetParentTransformNode() is result.alignment
    assert result.alignment.GetParentTransformNode() is result.deformation
    result.showMovingWarpedLive(False)
    assert result.moving.GetParentTransformNode() is None


def test_the_moving_volume_warped_live_looks_like_the_warped_moving_volume(views, result, truth):
    view = views[0]
    result.showSpace("fixed")
    for segmentation in (result.fixedSegmentation, result.warpedSegmentation):
        segmentation.SetDisplayVisibility(False)
    view.compositeNode.SetBackgroundVolumeID(result.warpedMoving.GetID())
    view.fit(truth.centre * LPS)
    expected = view.render().astype(int)
    result.moving.GetDisplayNode().CopyContent(result.warpedMoving.GetDisplayNode())
    view.compositeNode.SetBackgroundVolumeID(result.moving.GetID())
    there = view.render().astype(int)
    result.showMovingWarpedLive(True)
    live = view.render().astype(int)
    assert np.abs(live - expected).mean() < 0.25 * np.abs(there - expected).mean()
    assert expected.max() > 200


def test_moving_and_fixed_points_are_each_others_inverse(result, truth):
    for point in inside_points(truth.fixed, 20):
        moving = result.movingPoint(point * LPS)
        np.testing.assert_allclose(moving * LPS, truth.moving_points(point[None])[0], atol=0.05)
        np.testing.assert_allclose(result.fixedPoint(moving), point * LPS, atol=5e-3)


def test_an_affine_result_has_no_deformation_and_its_chain_is_the_alignment(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "affine", grid="oblique", kind="affine")
    result = ResultNodes.load(truth.folder)
    assert result.deformation is None and result.layers() == []
    check_chain(result, truth)


def test_a_result_without_segmentations_has_none(scene, tmp_path):
    truth = write_synthetic_result(tmp_path / "bare", segmentations=False, heatmaps=False, components=0)
    result = ResultNodes.load(truth.folder)
    assert (result.fixedSegmentation, result.movingSegmentation, result.warpedSegmentation) == (None, None, None)
    assert [layer.key for layer in result.layers()] == ["glyphs", "displacement", "jacobian", "inverse consistency"]


def test_what_takes_long_is_done_before_the_first_node_is_added(scene, truth, monkeypatch):
    files = readFiles(truth.folder)
    for name in ("voxelsOf", "masksOf", "gridTransform"):
        monkeypatch.delattr(Conversion, name)
    *_, result = ResultNodes.loadInSteps(truth.folder, files)
    check_chain(result, truth)
    check_place(result.fixed, sitk.ReadImage(str(truth.folder / "fixed.nii.gz")))


def test_a_result_is_added_a_node_a_step_and_seen_after_the_last(scene, truth):
    before, counts = len(node_ids(scene)), []
    for result in ResultNodes.loadInSteps(truth.folder, readFiles(truth.folder)):
        new = len(node_ids(scene)) - before - sum(counts)
        counts.append(new)
        outlines = filter(None, (result.fixedSegmentation, result.movingSegmentation, result.warpedSegmentation))
        shown = [node for node in outlines if node.GetDisplayVisibility()]
        assert bool(shown) == (len(counts) == 12)
    assert max(counts) <= 4 and len(counts) == 12


@pytest.mark.parametrize("steps", [1, 4, 7, 12])
def test_a_loading_that_is_given_up_leaves_the_scene_as_it_was(scene, truth, steps):
    before, itemsBefore = node_ids(scene), items(scene)
    loading = ResultNodes.loadInSteps(truth.folder, readFiles(truth.folder))
    for _ in range(steps):
        next(loading)
    assert node_ids(scene) != before
    loading.close()
    assert (node_ids(scene), items(scene)) == (before, itemsBefore)


def test_removing_a_result_leaves_the_scene_as_it_was(scene, truth):
    before, itemsBefore = node_ids(scene), items(scene)
    result = ResultNodes.load(truth.folder)
    for layer in result.layers():
        layer.add()
    assert len(node_ids(scene)) > len(before) + 30
    result.remove()
    assert (node_ids(scene), items(scene)) == (before, itemsBefore)
    assert all(view.GetBackgroundVolumeID() is None for view in result.sliceComposites())
    assert ResultNodes.find(scene) == []


def test_all_nodes_are_in_one_folder_of_the_subject_hierarchy(scene, result):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.GetItemByName("Registration")
    inside = vtkIds(hierarchy, folder)
    for role in ("fixed", "moving", "warpedMoving", "fixedSegmentation", "alignment", "deformation", "record"):
        assert hierarchy.GetItemByDataNode(result.node(role)) in inside


def vtkIds(hierarchy, item):
    from vtk import vtkIdList

    children = vtkIdList()
    hierarchy.GetItemChildren(item, children)
    return [children.GetId(n) for n in range(children.GetNumberOfIds())]


def test_two_results_are_kept_apart(scene, truths):
    first, second = (ResultNodes.load(truths[grid].folder) for grid in ("plain", "oblique"))
    assert [found.id for found in ResultNodes.find(scene)] == [first.id, second.id]
    assert first.fixed is not second.fixed and first.fixed.GetName() != second.fixed.GetName()
    first.remove()
    assert [found.id for found in ResultNodes.find(scene)] == [second.id]
    check_chain(second, truths["oblique"])


def test_a_found_result_has_the_record_and_no_folder(scene, result, truth):
    [found] = ResultNodes.find()
    assert found.record == result.record and found.record["displacement_mm"]["max"] > 4
    assert found.folder is None


def test_a_node_that_the_user_deleted_is_none(scene, result):
    scene.RemoveNode(result.warpedMoving)
    assert result.warpedMoving is None
    result.remove()
    assert ResultNodes.find(scene) == []


@pytest.mark.parametrize("missing", ["result.json", "transform.h5"])
def test_a_folder_that_is_no_result_is_refused_in_one_sentence_and_adds_nothing(scene, copied, missing):
    (copied / missing).unlink()
    before, itemsBefore = node_ids(scene), items(scene)
    with pytest.raises(BadInputError) as refusal:
        ResultNodes.load(copied)
    assert str(refusal.value).endswith(".") and "\n" not in str(refusal.value)
    assert (node_ids(scene), items(scene)) == (before, itemsBefore)


def test_each_space_shows_its_scan_and_its_outlines(result):
    def shown():
        roles = ("fixedSegmentation", "movingSegmentation", "warpedSegmentation")
        return [role for role in roles if result.node(role).GetDisplayVisibility()]

    assert shown() == ["fixedSegmentation", "warpedSegmentation"]
    assert {view.GetBackgroundVolumeID() for view in result.sliceComposites()} == {result.fixed.GetID()}
    result.showSpace("moving")
    assert shown() == ["movingSegmentation"]
    assert {view.GetBackgroundVolumeID() for view in result.sliceComposites()} == {result.moving.GetID()}


def test_the_same_anatomy_stays_in_the_middle_of_a_view_that_changes_space(pictures, result, truth):
    fixedPoint = (truth.centre + (2, -6, 1)) * LPS
    view = pictures.sliceViews[0].sliceNode
    result.showSpace("fixed")
    view.JumpSliceByCentering(*fixedPoint)
    result.showSpace("moving")
    middle = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
    np.testing.assert_allclose(middle, truth.moving_points(fixedPoint[None] * LPS)[0] * LPS, atol=0.1)
    result.showSpace("fixed")
    middle = [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]
    np.testing.assert_allclose(middle, fixedPoint, atol=0.1)


def test_the_fixed_outline_is_red_and_lies_on_the_structure(views, result, truth):
    view = views[0]
    result.warpedSegmentation.SetDisplayVisibility(False)
    view.fit(truth.centre * LPS)
    red = like(view.render(), np.array((242, 38, 38)), 40)
    result.fixedSegmentation.SetDisplayVisibility(False)
    grey = view.render()
    assert red.sum() > 200
    rows, columns = np.nonzero(red)
    inside = grey[rows.min() : rows.max(), columns.min() : columns.max()].mean()
    assert inside > 1.5 * grey.mean()
