"""A result of a model for two contrasts in Slicer's scene: a layer a stage, each over the scan that it explains."""

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from fire_model import head
from mrml.checks import LPS, check_place, within_tissue
from regexplain import explain, register
from regexplain.cards.stages import STAGES
from regexplain.cli import main
from regexplain.results import ResultFolder
from regexplain.results.explanations import Heatmaps
from RegExplainLib.MRML.ResultNodes import ResultNodes


@pytest.fixture(scope="module")
def explained(fire_model, tmp_path_factory):
    """The folder of T1 and FLAIR registered and explained at every stage, without components."""
    (fixed, labels), (moving, _) = head("T1"), head("FLAIR", 8.0, (6.0, -4.0, 5.0))
    result = register(fixed, moving, str(fire_model), fixed_segmentation=labels, threads=1)
    folder = tmp_path_factory.mktemp("fire") / "r"
    result.save(folder)
    ResultFolder.open(folder).add(Heatmaps(explain(result, model=fire_model, threads=1)))
    return folder


def test_every_stage_is_a_layer_with_words_for_it_over_the_scan_it_explains(scene, explained):
    layers = {layer.key: layer for layer in ResultNodes.load(explained).layers()}
    heat = {name: layers[f"heatmap {name}"] for name in STAGES["fire"]}
    assert heat["transformation-backward"].title == "Heatmap transformation from the moving to the fixed image"
    assert heat["synthesis-fixed"].pictureTitle == "Grad-CAM, synthesis of the fixed image"
    assert [key for key in layers if key.startswith("animation")] == ["animation registration"]
    for name in ("affine-moving", "transformation-backward", "discriminator-moving-synthetic", "synthesis-fixed"):
        layer = heat[name].add()
        assert layer.space == ("fixed" if name == "synthesis-fixed" else "moving")
        scan = sitk.ReadImage(str(explained / f"{layer.space}.nii.gz"))
        heated = within_tissue(sitk.ReadImage(str(explained / f"heatmaps/{name}.nii.gz")), scan)
        check_place(layer.volume, heated)
        values = sitk.GetArrayFromImage(heated)
        k, j, i = np.unravel_index(np.argmax(values), values.shape)
        at = np.array(heated.TransformIndexToPhysicalPoint([int(i), int(j), int(k)]))
        assert np.allclose(layer.hottestPoint(), at * LPS, atol=1e-3)
        layer.show()
        under = {view.GetBackgroundVolumeID() for view in layer.resultNodes.sliceComposites()}
        assert under == {layer.resultNodes.node(layer.space).GetID()}


@pytest.mark.ci
def test_the_scene_file_holds_every_stage(scene, explained):
    done = CliRunner().invoke(main, ["scene", str(explained)])
    assert done.exit_code == 0, done.output
    assert scene.ReadFromMRB(str(explained / "scene.mrb"))
    [result] = ResultNodes.find(scene)
    keys = {layer.key for layer in result.layers() if layer.added}
    assert {f"heatmap {stage}" for stage in STAGES["fire"]} <= keys and "glyphs" in keys
