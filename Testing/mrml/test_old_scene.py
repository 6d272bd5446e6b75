"""A scene that an earlier RegExplain saved opens with its result and every layer."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from mrml.checks import NEAR_MM, through_nodes
from RegExplainLib.MRML.ResultNodes import ResultNodes

LAYERS = [
    *("glyphs", "displacement", "jacobian", "inverse consistency"),
    *("heatmap encoder-fixed", "heatmap encoder-moving", "heatmap decoder", "animation registration"),
]


@pytest.fixture
def opened(old_result, scene):
    assert scene.ReadFromMRB(str(old_result / "scene.mrb"))
    [result] = ResultNodes.find(scene)
    return result


def test_the_result_is_found_with_its_layers(opened):
    layers = {layer.key: layer for layer in opened.layers()}
    assert list(layers) == LAYERS
    assert [key for key, layer in layers.items() if not layer.added] == ["displacement"]  # there was none then
    layers["displacement"].add()  # of the nodes alone
    for layer in layers.values():
        layer.show()
        assert layer.visible


def test_its_transforms_are_those_of_the_result_folder(opened, old_result):
    """At voxel centres, where Slicer's cubic and ITK's linear interpolation of the field agree."""
    transform = sitk.ReadTransform(str(old_result / "transform.h5"))
    fixed = sitk.ReadImage(str(old_result / "fixed.nii.gz"))
    inner = itertools.product(*(range(1, size - 1) for size in fixed.GetSize()))
    points = np.array([fixed.TransformIndexToPhysicalPoint(index) for index in inner])
    expected = np.array([transform.TransformPoint(point.tolist()) for point in points])
    np.testing.assert_allclose(through_nodes(points, None, opened.alignment), expected, atol=NEAR_MM)
