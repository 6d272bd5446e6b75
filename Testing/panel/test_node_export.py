"""What the worker gets is what the scene shows, compared with analytic truth in LPS millimetres."""

import numpy as np
import pytest

from panel.fixtures import addSegmentation

RAS = np.diag((-1.0, -1.0, 1.0, 1.0))


@pytest.fixture(autouse=True)
def emptyScene(host):
    import slicer

    slicer.mrmlScene.Clear(False)
    yield
    slicer.mrmlScene.Clear(False)


def rotation(degrees, axis):
    angle, matrix = np.deg2rad(degrees), np.eye(4)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return matrix


OBLIQUE = rotation(20, 2) @ rotation(-10, 0) @ np.diag((-0.8, 1.2, 3.0, 1.0)) + np.array(
    [[0, 0, 0, 7], [0, 0, 0, -5], [0, 0, 0, 11], [0, 0, 0, 0]]
)


def addOblique(name="Name of a patient"):
    """12 x 10 x 8 voxels (i, j, k), every value its own."""
    import slicer

    return slicer.util.addVolumeFromArray(
        np.arange(960, dtype=np.int16).reshape(8, 10, 12), ijkToRAS=OBLIQUE, name=name
    )


def putUnder(node, matrix):
    import slicer

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def writeVolume(node, path, role):
    from RegExplainLib.MRML import NodeExport

    return NodeExport.writeImage(NodeExport.volumeImage(NodeExport.hardenedCopy(node, role)), path)


def writeSegmentation(node, labels, reference, path, role):
    from RegExplainLib.MRML import NodeExport

    def image():
        return (yield from NodeExport.labelImage(node, labels, NodeExport.hardenedCopy(reference, role)))

    steps = image()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return NodeExport.writeImage(end.value, path)


def lpsOf(image, index):
    return np.array(image.TransformContinuousIndexToPhysicalPoint([float(n) for n in index]))


def expectedLps(ijkToRas, index):
    return (RAS @ ijkToRas @ (*index, 1))[:3]


@pytest.mark.parametrize(
    "parent", [np.eye(4), rotation(30, 1) + np.array([[0, 0, 0, 4.0], [0, 0, 0, 0], [0, 0, 0, -9], [0, 0, 0, 0]])]
)
def test_a_volume_is_written_where_it_appears(tmp_path, parent):
    import SimpleITK as sitk

    import slicer

    volume = addOblique()
    putUnder(volume, parent)
    before = slicer.mrmlScene.GetNumberOfNodes(), volume.GetMTime(), slicer.util.arrayFromVolume(volume).copy()
    image = sitk.ReadImage(writeVolume(volume, tmp_path / "fixed.nrrd", "fixed"))
    for index in ((0, 0, 0), (11, 0, 0), (0, 9, 0), (0, 0, 7), (3, 4, 5)):
        np.testing.assert_allclose(lpsOf(image, index), expectedLps(parent @ OBLIQUE, index), atol=1e-3)
        assert image[index] == slicer.util.arrayFromVolume(volume)[index[::-1]]
    assert image.GetPixelID() == sitk.sitkInt16
    after = slicer.mrmlScene.GetNumberOfNodes(), volume.GetMTime(), slicer.util.arrayFromVolume(volume)
    assert after[:2] == before[:2] and (after[2] == before[2]).all()


def test_a_bending_parent_transform_is_applied_to_the_copy(tmp_path):
    import SimpleITK as sitk
    import vtk

    import slicer

    volume = slicer.util.addVolumeFromArray(np.zeros((20, 20, 20), np.int16), name="Ball")
    slicer.util.arrayFromVolume(volume)[9:12, 9:12, 9:12] = 100
    shift = vtk.vtkThinPlateSplineTransform()
    shift.SetBasisToR()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for point in ((0, 0, 0), (20, 0, 0), (0, 20, 0), (0, 0, 20), (20, 20, 20)):
        source.InsertNextPoint(point)
        target.InsertNextPoint(point[0] + 4, point[1], point[2])
    shift.SetSourceLandmarks(source)
    shift.SetTargetLandmarks(target)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(shift)
    volume.SetAndObserveTransformNodeID(node.GetID())
    image = sitk.ReadImage(writeVolume(volume, tmp_path / "fixed.nrrd", "fixed"))
    found = np.argwhere(sitk.GetArrayFromImage(image) > 50).mean(axis=0)[::-1]
    np.testing.assert_allclose(lpsOf(image, found), (-14, -10, 10), atol=0.6)
    assert (
        slicer.util.arrayFromVolume(volume)[9:12, 9:12, 9:12] == 100
    ).all() and volume.GetImageData().GetDimensions() == (20, 20, 20)


def test_a_sheared_volume_is_refused_with_what_to_do(tmp_path):
    from regexplain.errors import BadInputError

    volume = addOblique("Sheared")
    shear = np.eye(4)
    shear[0, 1] = 0.2
    putUnder(volume, shear)
    with pytest.raises(BadInputError, match="not perpendicular; resample it first"):
        writeVolume(volume, tmp_path / "fixed.nrrd", "fixed")


@pytest.mark.parametrize("underTransform", ["nothing", "volume", "both"])
def test_segments_are_written_on_the_volumes_grid(tmp_path, underTransform):
    import SimpleITK as sitk

    import slicer
    from RegExplainLib.MRML import NodeExport

    volume = addOblique()
    segmentation = addSegmentation("Structures", volume, ["Head", "Tail"])
    if underTransform != "nothing":
        moved = putUnder(
            volume,
            OBLIQUE @ np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]) @ np.linalg.inv(OBLIQUE),
        )
        if underTransform == "both":
            segmentation.SetAndObserveTransformNodeID(moved.GetID())
    before = slicer.mrmlScene.GetNumberOfNodes()
    labels = NodeExport.segmentLabels(segmentation, None)
    path = writeSegmentation(segmentation, labels, volume, tmp_path / "s.nrrd", "fixed")
    image, reference = (
        sitk.ReadImage(path),
        sitk.ReadImage(writeVolume(volume, tmp_path / "v.nrrd", "fixed")),
    )
    np.testing.assert_allclose(lpsOf(image, (3, 4, 5)), lpsOf(reference, (3, 4, 5)), atol=1e-3)
    slices = sitk.GetArrayFromImage(image).max(axis=(1, 2)).tolist()
    # The volume was moved one slice up: segments that stayed behind lie one slice lower on its grid.
    assert slices == ([1, 2, 0, 0, 0, 0, 0, 0] if underTransform == "volume" else [0, 1, 2, 0, 0, 0, 0, 0])
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_segmentation_of_surfaces_only_is_written_and_left_as_it_was(tmp_path):
    import SimpleITK as sitk
    import vtk

    import slicer

    volume = slicer.util.addVolumeFromArray(np.arange(8000, dtype=np.int16).reshape(20, 20, 20), name="V")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surface")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    ball = vtk.vtkSphereSource()
    ball.SetCenter(10, 10, 10)
    ball.SetRadius(5)
    ball.SetThetaResolution(40)
    ball.SetPhiResolution(40)
    ball.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), "Ball", (1, 0, 0))
    node.SetSourceRepresentationToClosedSurface()
    node.GetSegmentation().RemoveRepresentation("Binary labelmap")
    path = writeSegmentation(node, {"Ball": 1}, volume, tmp_path / "s.nrrd", "fixed")
    count = int(sitk.GetArrayFromImage(sitk.ReadImage(path)).sum())
    assert abs(count - 4 / 3 * np.pi * 125) < 40
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_segments_of_the_same_name_get_the_same_label(host):
    from RegExplainLib.MRML import NodeExport

    volume = addOblique()

    def labels(fixed, moving):
        nodes = [addSegmentation("S", volume, names) if names else None for names in (fixed, moving)]
        return NodeExport.segmentLabels(*nodes)

    assert labels(["Head", "Tail"], ["Tail", "Body", "Head"]) == {"Head": 1, "Tail": 2, "Body": 3}
    assert labels(["Head", "Tail"], ["Kopf", "Schwanz"]) == {"Head": 1, "Tail": 2, "Kopf": 1, "Schwanz": 2}
    assert labels(None, ["Head"]) == {"Head": 1}
    assert labels(None, None) == {}


def test_the_initial_transform_maps_fixed_to_moving_points(tmp_path):
    """A moving volume under the transform node lies on the fixed one, so the file holds the way back."""
    import SimpleITK as sitk

    import slicer
    from RegExplainLib.MRML import NodeExport

    toParent, above = rotation(25, 0), rotation(-40, 2)
    toParent[:3, 3], above[:3, 3] = (5, -3, 8), (1, 2, 3)
    node = putUnder(addOblique(), toParent)
    parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    parent.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(above))
    node.SetAndObserveTransformNodeID(parent.GetID())
    transform = sitk.ReadTransform(NodeExport.writeLinearTransform(node, tmp_path / "initial.tfm"))
    moving = np.array([12.0, -7, 30])
    fixedRas = above @ toParent @ (*moving, 1)
    np.testing.assert_allclose(transform.TransformPoint((RAS @ fixedRas)[:3].tolist()), RAS[:3, :3] @ moving, atol=1e-6)


def test_an_initial_transform_that_bends_or_is_in_use_is_refused(host):
    import slicer
    from regexplain.errors import BadInputError
    from RegExplainLib.MRML import NodeExport

    moving = addOblique()
    inUse = putUnder(moving, np.eye(4))
    with pytest.raises(BadInputError, match="stands under .* already"):
        NodeExport.checkInitialTransform(inUse, moving)
    bending = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Bends")
    bending.SetAndObserveTransformFromParent(slicer.vtkOrientedGridTransform())
    with pytest.raises(BadInputError, match="Bends bends space"):
        NodeExport.checkInitialTransform(bending, moving)
    NodeExport.checkInitialTransform(None, moving)


def test_a_full_disk_is_one_sentence(tmp_path):
    from regexplain.errors import RegExplainError

    with pytest.raises(RegExplainError, match="free disk space"):
        writeVolume(addOblique(), tmp_path / "absent" / "fixed.nrrd", "fixed")


def test_no_name_of_a_node_reaches_the_files(tmp_path):

    writeVolume(addOblique("Jane Doe"), tmp_path / "fixed.nrrd", "fixed")
    assert b"Jane" not in (tmp_path / "fixed.nrrd").read_bytes()
