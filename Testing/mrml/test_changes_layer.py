"""What changed lies over the fixed scan where it was found, warm where brighter and cool where darker."""

import numpy as np
import pytest
import SimpleITK as sitk

from mrml.checks import LPS, check_place
from regexplain.results import ResultFolder
from regexplain.results.changes import Changes
from regexplain.volumes.geometry import Grid
from RegExplainLib.MRML.Layers import ChangesLayer
from RegExplainLib.MRML.ResultNodes import ResultNodes
from synthetic_result import write_synthetic_result

BRIGHTER, DARKER = (20, 22, 9), (26, 18, 11)


@pytest.fixture
def folder(tmp_path):
    """An oblique result that is 5 SD brighter in one voxel, and 4 SD darker in another."""
    folder = ResultFolder.open(write_synthetic_result(tmp_path / "r", grid="oblique").folder)
    image = sitk.Cast(sitk.ReadImage(str(folder.require("fixed.nii.gz"))) * 0, sitk.sitkFloat32)
    image[BRIGHTER], image[DARKER] = 5.0, -4.0
    folder.add(Changes(image, 12.0, 1.0, [], []))
    return folder


def test_the_map_lies_over_the_fixed_scan_where_it_was_found(scene, folder):
    result = ResultNodes.load(folder.path)
    layer = next(layer for layer in result.layers() if layer.key == "changes")
    assert isinstance(layer, ChangesLayer)
    layer.add()
    image = sitk.ReadImage(str(folder.require("changes/difference.nii.gz")))
    check_place(layer.volume, image)
    assert np.allclose(layer.hottestPoint(), Grid.of(image).world(np.array(BRIGHTER)) * LPS, atol=1e-3)


def test_brighter_is_warm_darker_is_cool_and_noise_is_clear(scene, folder):
    layer = ChangesLayer(ResultNodes.load(folder.path)).add()
    warm, cool = ([0.0] * 3 for _ in range(2))
    layer.colors.GetColor(2.6, warm)
    layer.colors.GetColor(-2.6, cool)
    assert warm[0] > warm[2] + 0.3 and cool[2] > cool[0] + 0.3
    assert layer.range[0] == -layer.range[1] and layer.threshold * layer.range[1] == pytest.approx(2.0)


def test_a_result_where_nothing_was_looked_for_has_no_such_layer(result):
    assert not [layer for layer in result.layers() if isinstance(layer, ChangesLayer)]
