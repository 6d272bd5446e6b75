"""The maps of `regexplain trust` lie over the scan that they are of."""

import numpy as np
import pytest
import SimpleITK as sitk

from mrml.checks import LPS, check_place
from regexplain.results import ResultFolder
from regexplain.results.equivariance import Equivariance
from regexplain.results.trust import Indicator, Modality, Trust, TrustMap
from regexplain.volumes.geometry import Grid
from RegExplainLib.MRML.Layers import EquivarianceLayer, TrustLayer
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result

INDEX = (10, 14, 9)
MAPS = {"symmetry": "fixed", "homogeneity-moving": "moving"}


@pytest.fixture
def folder(tmp_path):
    """An oblique result whose maps are 2.5 in one voxel and 0 elsewhere."""
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "r", grid="oblique").folder)
    maps = []
    for name, grid in MAPS.items():
        image = sitk.ReadImage(str(folder.require(f"{grid}.nii.gz"))) * 0
        image[INDEX] = 2.5
        maps.append(TrustMap(name, grid, sitk.Cast(image, sitk.sitkFloat32)))
    modalities = {role: Modality(name, 1.0) for role, name in (("fixed", "T1"), ("moving", "FLAIR"))}
    folder.add(Trust([Indicator("symmetry", 0.1)], modalities, maps))
    return folder


@pytest.mark.parametrize("name", MAPS)
def test_a_map_lies_over_its_scan_where_it_was_measured(scene, folder, name):
    result = ResultNodes.load(folder.path)
    layer = next(layer for layer in result.layers() if layer.key == f"trust {name}")
    assert isinstance(layer, TrustLayer) and layer.pictureName == f"trust-{name}"
    layer.add()
    image = sitk.ReadImage(str(folder.require(f"trust/{name}.nii.gz")))
    check_place(layer.volume, image)
    assert np.allclose(layer.hottestPoint(), Grid.of(image).world(np.array(INDEX)) * LPS, atol=1e-3)
    under = {view.GetBackgroundVolumeID() for view in result.sliceComposites()}
    assert layer.visible and under == {result.node(MAPS[name]).GetID()}


def test_a_result_without_indicators_has_no_such_layers(result):
    assert not [layer for layer in result.layers() if isinstance(layer, TrustLayer)]


def test_the_map_of_equivariance_lies_over_the_fixed_scan(scene, tmp_path):
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "r", grid="oblique").folder)
    fixed = sitk.ReadImage(str(folder.require("fixed.nii.gz")))
    spread = sitk.Cast(fixed * 0, sitk.sitkFloat32)
    spread[INDEX] = 2.5
    folder.add(Equivariance(spread, 4, fixed))
    result = ResultNodes.load(folder.path)
    layer = next(layer for layer in result.layers() if isinstance(layer, EquivarianceLayer))
    layer.add()
    check_place(layer.volume, sitk.ReadImage(str(folder.require("equivariance.nii.gz"))))
    assert np.allclose(layer.hottestPoint(), Grid.of(fixed).world(np.array(INDEX)) * LPS, atol=1e-3)
    assert layer.range == (0.0, 2.5) and layer.unit == "mm"
