"""What all layers promise."""

import pytest

import slicer
from mrml.checks import node_ids
from regexplain.errors import BadInputError
from RegExplainLib.MRML.Layers import (
    AnimationLayer,
    DisplacementLayer,
    GlyphLayer,
    HeatmapLayer,
    InverseConsistencyLayer,
    JacobianLayer,
    RegistrationAnimationLayer,
)
from RegExplainLib.MRML.ResultNodes import ResultNodes
from RegExplainLib.MRML.Tags import taggedNodes
from synthetic_result import write_synthetic_result

KINDS = {
    "glyphs": GlyphLayer,
    "displacement": DisplacementLayer,
    "jacobian": JacobianLayer,
    "inverse consistency": InverseConsistencyLayer,
    "heatmap decoder": lambda result: HeatmapLayer(result, "decoder"),
    "heatmap encoder-moving": lambda result: HeatmapLayer(result, "encoder-moving"),
    "animation registration": RegistrationAnimationLayer,
    "animation 2": lambda result: AnimationLayer(result, 2),
}


@pytest.fixture
def truth(truths):
    return truths["oblique"]


@pytest.fixture(params=KINDS)
def layer(request, result):
    return KINDS[request.param](result)


def test_a_layer_of_a_scene_that_was_saved_and_reopened_leaves_nothing_behind(scene, result, tmp_path):
    counts = {}
    for layer in result.layers():
        before = node_ids(scene)
        layer.add().hide()
        counts[layer.key] = len(node_ids(scene) - before)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    [reopened] = ResultNodes.find(scene)
    for layer in reopened.layers():
        layer.show()
        layer.hide()
        before = node_ids(scene)
        layer.remove()
        storage = {name for name in before - node_ids(scene) if "Storage" in name}  # a saved node has one more
        assert len(before - node_ids(scene)) - len(storage) == counts.pop(layer.key)
    assert not counts


def test_a_result_offers_every_layer_that_it_has(result):
    stages = ["heatmap encoder-fixed", "heatmap encoder-moving", "heatmap decoder"]
    assert [layer.key for layer in result.layers()] == [
        *("glyphs", "displacement", "jacobian", "inverse consistency"),
        *stages,
        *("animation registration", "animation 1", "animation 2"),
    ]
    assert len({layer.title for layer in result.layers()}) == 10


def test_an_added_layer_is_shown_and_hides_and_shows_again(layer):
    assert not layer.added and not layer.visible
    assert layer.add() is layer
    assert layer.added and layer.visible
    layer.hide()
    assert layer.added and not layer.visible
    layer.show()
    assert layer.visible


def test_removing_a_layer_leaves_the_scene_as_it_was(scene, layer):
    before = node_ids(scene)
    layer.add()
    assert node_ids(scene) > before
    layer.remove()
    assert node_ids(scene) == before
    layer.remove()
    layer.hide()
    assert node_ids(scene) == before and not layer.added


CHANGES = {
    "glyphs": lambda layer: (layer.setTowards("fixed"), layer.setSegment(1), layer.setForm("grid")),
    "heatmap decoder": lambda layer: (layer.setPositiveOnly(True), layer.setThreshold(0.6)),
    "animation registration": lambda layer: (layer.setImageShown(True), layer.setStrength(70)),
    "animation 2": lambda layer: (layer.setImageShown(True), layer.setPlaying(True)),
}


@pytest.mark.parametrize("layer", CHANGES, indirect=True)
def test_a_layer_that_was_changed_and_hidden_leaves_nothing_behind(scene, layer):
    before, shown = node_ids(scene), [c.GetBackgroundVolumeID() for c in layer.resultNodes.sliceComposites()]
    layer.add()
    CHANGES[layer.key](layer)
    layer.hide()
    layer.show()
    layer.remove()
    assert node_ids(scene) == before
    assert [c.GetBackgroundVolumeID() for c in layer.resultNodes.sliceComposites()] == shown


def test_adding_twice_adds_once(scene, layer):
    layer.add()
    once = node_ids(scene)
    layer.add()
    assert node_ids(scene) == once


def test_a_layer_of_which_the_user_deleted_a_part_is_made_anew(scene, layer):
    layer.add()
    count = len(taggedNodes(scene, layer=layer.key))
    deleteAsInSlicer(scene, layer.node(layer.roles[0]))
    assert not layer.added and not layer.visible
    layer.add()
    assert layer.visible and len(taggedNodes(scene, layer=layer.key)) == count


def deleteAsInSlicer(scene, node):
    """As the Data module does."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    hierarchy.RemoveItem(hierarchy.GetItemByDataNode(node), True, False)


def test_a_new_layer_object_takes_over_what_is_in_the_scene(scene, layer):
    layer.add()
    before = node_ids(scene)
    [found] = ResultNodes.find(scene)
    [same] = [other for other in found.layers() if other.key == layer.key]
    assert same.added and same.visible
    same.remove()
    assert not layer.added and node_ids(scene) < before


def test_layers_on_the_other_scan_and_of_the_same_kind_are_hidden(result):
    glyphs, decoder, onMoving, first, second = (
        *(GlyphLayer(result), HeatmapLayer(result, "decoder"), HeatmapLayer(result, "encoder-moving")),
        *(AnimationLayer(result, 1), AnimationLayer(result, 2)),
    )
    for layer in (glyphs, decoder, first):
        layer.add()
    assert glyphs.visible and decoder.visible and first.visible
    second.add()
    assert second.visible and not first.visible and glyphs.visible
    onMoving.add()
    assert onMoving.visible and not (glyphs.visible or decoder.visible or second.visible)
    assert {view.GetBackgroundVolumeID() for view in result.sliceComposites()} == {result.moving.GetID()}
    glyphs.show()
    assert glyphs.visible and not onMoving.visible
    assert {view.GetBackgroundVolumeID() for view in result.sliceComposites()} == {result.fixed.GetID()}


@pytest.mark.parametrize(
    ("lacking", "kind", "says"),
    [
        ({"kind": "affine"}, "glyphs", "register with a model"),
        ({"kind": "affine"}, "displacement", "register with a model"),
        ({"kind": "affine"}, "animation registration", "register with a model"),
        ({"heatmaps": False}, "heatmap decoder", "run Explain"),
        ({"components": 0}, "animation 2", "run Components"),
        ({"components": 1}, "animation 2", "run Components"),
        ({"segmentations": False}, "animation 2", "register with a segmentation"),
        ({"segmentations": False}, "animation registration", "register with a segmentation"),
    ],
)
def test_a_layer_that_lacks_something_says_what_to_do_and_adds_nothing(scene, tmp_path, lacking, kind, says):
    result = ResultNodes.load(write_synthetic_result(tmp_path / "result", **lacking).folder)
    before = node_ids(scene)
    with pytest.raises(BadInputError) as refusal:
        KINDS[kind](result).add()
    assert says in str(refusal.value) and str(refusal.value).count(".") == 1
    assert node_ids(scene) == before


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("jacobian", "fixed.nii.gz"),
        ("inverse consistency", "inverse_transform.h5"),
        ("heatmap decoder", "heatmaps/decoder.nii.gz"),
        ("animation 2", "components/component-02/strength+1.00.nii.gz"),
    ],
)
def test_a_layer_whose_files_are_gone_says_what_to_do_and_adds_nothing(scene, copied, kind, file):
    (copied / file).unlink()
    result = ResultNodes.load(copied)
    before = node_ids(scene)
    for broken in (result, ResultNodes.find(scene)[0]):
        with pytest.raises(BadInputError, match="open the result folder again"):
            KINDS[kind](broken).add()
    assert node_ids(scene) == before


@pytest.mark.parametrize(
    ("kind", "words", "file"),
    [
        ("heatmap decoder", "heatmap {}; or run Explain", "heatmaps/decoder.nii.gz"),
        ("animation 2", "field {}; or run Components", "components/component-02/strength+1.00.nii.gz"),
    ],
)
def test_a_missing_file_is_named_with_what_makes_it_again(scene, copied, kind, words, file):
    (copied / file).unlink()
    what, again = words.format(file).split("; ")
    with pytest.raises(BadInputError) as error:
        KINDS[kind](ResultNodes.load(copied)).add()
    assert str(error.value) == f"The {what} is missing; open the result folder again, {again} again."


def test_what_fails_while_a_layer_is_built_leaves_nothing_behind(scene, copied):
    (copied / "components/component-02/strength+1.00.nii.gz").write_bytes(b"not an image")
    result = ResultNodes.load(copied)
    before = node_ids(scene)
    with pytest.raises(RuntimeError):
        AnimationLayer(result, 2).add()
    assert node_ids(scene) == before
