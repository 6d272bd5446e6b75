"""Transforms made elsewhere, in and out of Slicer: its own files are the same map, and their results open."""

import numpy as np
import pytest
import SimpleITK as sitk

import slicer
from equivalent_scans import points_in, transform_points
from regexplain import explain_transform
from regexplain.errors import BadInputError
from regexplain.transforms.files import read_transforms
from regexplain.transforms.itk import affine_transform, read_transform
from RegExplainLib.MRML import Conversion
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return write_synthetic_result(tmp_path_factory.mktemp("made") / "r", grid="oblique", heatmaps=False, components=0)


def written(node, path) -> str:
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    return str(path)


@pytest.mark.parametrize("name", ["t.h5", "t.tfm", "t.nrrd", "t.nii.gz"])
def test_a_grid_that_slicer_wrote_is_the_same_map(scene, truth, tmp_path, name):
    displacement = read_transform(truth.folder / "transform.h5").displacement
    path = written(Conversion.addGridTransform(scene, displacement, "grid"), tmp_path / name)
    points = points_in(truth.fixed)
    assert np.abs(transform_points(read_transforms([path]), points) - points - truth.displacement(points)).max() < 0.2


@pytest.mark.parametrize("name", ["t.h5", "t.tfm", "t.mat"])
def test_a_linear_transform_that_slicer_wrote_is_the_same_map(scene, truth, tmp_path, name):
    path = written(Conversion.addLinearTransform(scene, truth.alignment, "linear"), tmp_path / name)
    points = points_in(truth.fixed)
    assert np.allclose(
        transform_points(read_transforms([path]), points), transform_points(truth.alignment, points), atol=1e-6
    )


def test_a_grid_of_which_slicer_knows_the_other_direction_is_refused_with_a_way_on(scene, truth, tmp_path):
    displacement = read_transform(truth.folder / "transform.h5").displacement
    node = Conversion.addGridTransform(scene, displacement, "grid")
    node.Inverse()
    with pytest.raises(BadInputError, match="only Slicer reads; convert it"):
        read_transforms([written(node, tmp_path / "inverse.h5")])


@pytest.mark.parametrize("kind", ["deformable", "affine"])
def test_its_result_opens_as_nodes_with_layers(scene, truth, tmp_path, kind):
    names = ("fixed", "moving", "fixed_segmentation", "moving_segmentation")
    images = [sitk.ReadImage(str(truth.folder / f"{name}.nii.gz")) for name in names]
    given = sitk.ReadTransform(str(truth.folder / "transform.h5"))
    if kind == "affine":
        given = affine_transform(np.eye(3), np.array([3.0, 0.0, 0.0]))
    result = explain_transform(given, *images[:2], fixed_segmentation=images[2], moving_segmentation=images[3])
    result.save(tmp_path / "r")
    nodes = ResultNodes.load(tmp_path / "r", scene)
    keys = [layer.key for layer in nodes.layers()]
    assert ("glyphs" in keys) == (kind == "deformable")
    for layer in nodes.layers():
        layer.add()
    for point in points_in(truth.fixed, count=20):
        ras = nodes.movingPoint(point * (-1, -1, 1))
        assert np.allclose(ras * (-1, -1, 1), given.TransformPoint(point.tolist()), atol=0.1)
